/* A preload library that does nothing: what the least of them costs. */
int tool_empty;
