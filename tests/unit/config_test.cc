#include "runtime/base/config.h"

#include <gtest/gtest.h>

#include <cctype>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <sched.h>
#include <string>
#include <vector>

namespace {

struct Parsed {
    int result;
    vthr_config config;
    std::string error;
};

Parsed parse(std::vector<std::string> env)
{
    std::vector<char *> envp;
    for (auto &s : env)
        envp.push_back(&s[0]);
    envp.push_back(nullptr);
    char error[256];
    Parsed p{};
    p.result = vthr_config_parse(envp.data(), &p.config, error, sizeof error);
    p.error = error;
    return p;
}

void expect_bad(const std::string &setting, const std::string &message)
{
    Parsed p = parse({setting});
    EXPECT_EQ(p.result, -EINVAL) << setting;
    EXPECT_EQ(p.error, message);
}

TEST(Config, DefaultsOfAnEmptyEnvironment)
{
    Parsed p = parse({});
    EXPECT_EQ(p.result, 0);
    EXPECT_EQ(p.error, "");
    EXPECT_FALSE(p.config.disable || p.config.strict || p.config.migrate || p.config.stats);
    EXPECT_FALSE(p.config.random || p.config.seed_picked);
    EXPECT_EQ(p.config.cache, 1024u);
    EXPECT_EQ(p.config.spares, 8u);
    cpu_set_t set;
    ASSERT_EQ(sched_getaffinity(0, sizeof set, &set), 0);
    EXPECT_EQ(p.config.carriers, (unsigned)CPU_COUNT(&set));
}

TEST(Config, OtherVariablesAreNotOurs)
{
    Parsed p = parse({"PATH=/bin", "XVTHR_FOO=1", "VTHR=1", "vthr_foo=1", "VTHR_NOVALUE", "=", ""});
    EXPECT_EQ(p.result, 0) << p.error;
}

TEST(Config, Booleans)
{
    for (const char *on : {"1", "yes", "on"})
        EXPECT_TRUE(parse({std::string("VTHR_STATS=") + on}).config.stats) << on;
    for (const char *off : {"0", "no", "off", ""}) {
        Parsed p = parse({std::string("VTHR_STATS=") + off});
        EXPECT_EQ(p.result, 0) << off;
        EXPECT_FALSE(p.config.stats) << off;
    }
    for (const char *bad : {"2", "true", "YES", " 1", "1 ", "o"})
        expect_bad(std::string("VTHR_STATS=") + bad,
                   std::string("VTHR_STATS=") + bad + ": must be 1, yes, on, 0, no or off");
}

TEST(Config, EachSwitchHasItsOwnField)
{
    EXPECT_TRUE(parse({"VTHR_DISABLE=1"}).config.disable);
    EXPECT_TRUE(parse({"VTHR_STRICT=1"}).config.strict);
    EXPECT_TRUE(parse({"VTHR_MIGRATE=1"}).config.migrate);
    EXPECT_TRUE(parse({"VTHR_STATS=1"}).config.stats);
}

TEST(Config, Numbers)
{
    Parsed p = parse({"VTHR_CARRIERS=256", "VTHR_CACHE=0", "VTHR_SPARES=0001024"});
    EXPECT_EQ(p.result, 0) << p.error;
    EXPECT_EQ(p.config.carriers, 256u);
    EXPECT_EQ(p.config.cache, 0u);
    EXPECT_EQ(p.config.spares, 1024u);
    EXPECT_EQ(parse({"VTHR_CACHE=1000000"}).config.cache, 1000000u);
    EXPECT_EQ(parse({"VTHR_CACHE="}).config.cache, 1024u);
}

TEST(Config, BadNumbers)
{
    for (const char *bad : {"0", "257", "-1", "+1", " 1", "1 ", "1x", "0x1", "1e1", "x", "1.0",
                            "4294967297", "18446744073709551617", "99999999999999999999999"})
        expect_bad(std::string("VTHR_CARRIERS=") + bad,
                   std::string("VTHR_CARRIERS=") + bad + ": must be 1 to 256");
    expect_bad("VTHR_CACHE=1000001", "VTHR_CACHE=1000001: must be 0 to 1000000");
    expect_bad("VTHR_SPARES=1025", "VTHR_SPARES=1025: must be 0 to 1024");
}

TEST(Config, SchedulerOrder)
{
    EXPECT_FALSE(parse({"VTHR_SCHED=fifo"}).config.random);
    Parsed p = parse({"VTHR_SCHED=random:42"});
    EXPECT_TRUE(p.config.random);
    EXPECT_FALSE(p.config.seed_picked);
    EXPECT_EQ(p.config.seed, 42u);
    EXPECT_EQ(parse({"VTHR_SCHED=random:18446744073709551615"}).config.seed, UINT64_MAX);
    p = parse({"VTHR_SCHED=random"});
    EXPECT_TRUE(p.config.random && p.config.seed_picked);
    EXPECT_LE(p.config.seed, UINT32_MAX);
    for (const char *bad : {"lifo", "fifo:1", "random:", "random:x", "random:-1", "random1",
                            "random:18446744073709551616"})
        expect_bad(std::string("VTHR_SCHED=") + bad,
                   std::string("VTHR_SCHED=") + bad + ": must be fifo, random or random:SEED");
}

TEST(Config, Signals)
{
    EXPECT_EQ(parse({}).config.dump_signal, 0u);
    for (const char *quit : {"QUIT", "SIGQUIT", "3", "03"})
        EXPECT_EQ(parse({std::string("VTHR_DUMP_SIGNAL=") + quit}).config.dump_signal, (unsigned)SIGQUIT) << quit;
    EXPECT_EQ(parse({"VTHR_DUMP_SIGNAL=64"}).config.dump_signal, 64u);
    EXPECT_EQ(parse({"VTHR_DUMP_SIGNAL=WINCH"}).config.dump_signal, (unsigned)SIGWINCH);
    /* Synchronous ones, those that nothing catches, and libc's own. */
    for (const char *bad : {"0", "65", "-3", "quit", "SIG", "SIGSIGQUIT", "SEGV", "11", "9", "19", "32", "33", "5", "6", "31"})
        expect_bad(std::string("VTHR_DUMP_SIGNAL=") + bad, std::string("VTHR_DUMP_SIGNAL=") + bad +
                       ": must be a signal, e.g. QUIT or 3, that can be caught and is not raised by faults");
}

TEST(Config, Paths)
{
    EXPECT_STREQ(parse({}).config.dump_file, "");
    EXPECT_STREQ(parse({"VTHR_DUMP_FILE=a b"}).config.dump_file, "a b");
    EXPECT_EQ(strlen(parse({"VTHR_DUMP_FILE=" + std::string(511, 'x')}).config.dump_file), 511u);
    expect_bad("VTHR_DUMP_FILE=" + std::string(512, 'x'),
               "VTHR_DUMP_FILE=" + std::string(40, 'x') + "...: must be shorter than 512 bytes");
}

TEST(Config, Limits)
{
    Parsed p = parse({"VTHR_MAX_THREADS=7"});
    EXPECT_EQ(p.config.max_threads, 7u);
    EXPECT_FALSE(p.config.max_wait);
    p = parse({"VTHR_MAX_THREADS=10000000:wait"});
    EXPECT_EQ(p.config.max_threads, 10000000u);
    EXPECT_TRUE(p.config.max_wait);
    EXPECT_FALSE(parse({"VTHR_MAX_THREADS=1:eagain"}).config.max_wait);
    EXPECT_EQ(parse({}).config.max_threads, 0u);
    for (const char *bad : {"x", ":wait", "1:", "1:waits", "1:wait ", "10000001", "0000000000000000000001:wait"})
        expect_bad(std::string("VTHR_MAX_THREADS=") + bad, std::string("VTHR_MAX_THREADS=") + bad +
                   ": must be 0 to 10000000, with :wait or :eagain after it or not");
}

TEST(Config, Lists)
{
    EXPECT_STREQ(parse({"VTHR_EXCLUDE=liba.so,b!c,!d*"}).config.exclude, "liba.so,b!c,!d*");
    EXPECT_STREQ(parse({"VTHR_INCLUDE=a"}).config.include, "a");
    EXPECT_STREQ(parse({}).config.exclude, "");
    EXPECT_STREQ(parse({"VTHR_EXCLUDE=" + std::string(1023, 'a')}).config.exclude, std::string(1023, 'a').c_str());
    EXPECT_EQ(parse({"VTHR_EXCLUDE=" + std::string(1024, 'a')}).result, -EINVAL);
    for (const char *bad : {",", "a,", ",a", "a,,b", "a!", "!", "a!b!c"})
        expect_bad(std::string("VTHR_EXCLUDE=") + bad, std::string("VTHR_EXCLUDE=") + bad +
                   ": must be OBJECT, OBJECT!ROUTINE or !ROUTINE, more of them after commas");
}

TEST(Config, UnknownNames)
{
    expect_bad("VTHR_CARIERS=1", "VTHR_CARIERS: unknown setting, did you mean VTHR_CARRIERS?");
    expect_bad("VTHR_CARREIRS=1", "VTHR_CARREIRS: unknown setting, did you mean VTHR_CARRIERS?");
    expect_bad("VTHR_STAT=1", "VTHR_STAT: unknown setting, did you mean VTHR_STATS?");
    expect_bad("VTHR_CARS=1", "VTHR_CARS: unknown setting, vthr --help lists all");
    expect_bad("VTHR_WHATEVER=", "VTHR_WHATEVER: unknown setting, vthr --help lists all");
    expect_bad("VTHR_=1", "VTHR_: unknown setting, vthr --help lists all");
    std::string longest(1000, 'X');
    expect_bad("VTHR_" + longest + "=1",
               "VTHR_" + longest.substr(0, 35) + "...: unknown setting, vthr --help lists all");
}

TEST(Config, MessagesAreOneShortPrintableLine)
{
    expect_bad("VTHR_CACHE=1\n\x1b[31m\xc3\xa4", "VTHR_CACHE=1??[31m??: must be 0 to 1000000");
    expect_bad("VTHR_CACHE=" + std::string(500, '9'),
               "VTHR_CACHE=" + std::string(40, '9') + "...: must be 0 to 1000000");
}

TEST(Config, FirstErrorIsReportedAndTheRestStillCounts)
{
    Parsed p = parse({"VTHR_CARRIERS=0", "VTHR_CACHE=x", "VTHR_STRICT=1", "VTHR_SPARES=3"});
    EXPECT_EQ(p.result, -EINVAL);
    EXPECT_EQ(p.error, "VTHR_CARRIERS=0: must be 1 to 256");
    EXPECT_TRUE(p.config.strict);
    EXPECT_EQ(p.config.spares, 3u);
    EXPECT_EQ(p.config.cache, 1024u);
    EXPECT_GE(p.config.carriers, 1u);
}

TEST(Config, DisableMakesOtherErrorsIrrelevant)
{
    Parsed p = parse({"VTHR_CARRIERS=0", "VTHR_STRICT=1", "VTHR_DISABLE=yes", "VTHR_NONSENSE=1"});
    EXPECT_EQ(p.result, 0);
    EXPECT_TRUE(p.config.disable);
    EXPECT_EQ(parse({"VTHR_DISABLE=maybe"}).result, -EINVAL);
}

TEST(Config, MessageBufferOfAnySize)
{
    char setting[] = "VTHR_CARRIERS=0";
    char *envp[] = {setting, nullptr};
    const std::string whole = "VTHR_CARRIERS=0: must be 1 to 256";
    vthr_config config;
    EXPECT_EQ(vthr_config_parse(envp, &config, nullptr, 0), -EINVAL);
    for (size_t size = 1; size < 50; size++) {
        char error[64];
        memset(error, '#', sizeof error);
        EXPECT_EQ(vthr_config_parse(envp, &config, error, size), -EINVAL);
        EXPECT_EQ(std::string(error), whole.substr(0, size - 1));
        EXPECT_EQ(error[size], '#');
    }
}

TEST(Config, TableIsComplete)
{
    for (size_t i = 0; i < vthr_settings_count; i++) {
        const vthr_setting &s = vthr_settings[i];
        EXPECT_EQ(strncmp(s.name, "VTHR_", 5), 0);
        EXPECT_LE(strlen(s.name), 32u) << "the nearest-name search needs this";
        EXPECT_TRUE(s.default_value && s.help);
        EXPECT_EQ(strchr(s.help, '\n'), nullptr);
        for (size_t j = 0; j < i; j++)
            EXPECT_NE(s.offset, vthr_settings[j].offset) << s.name;
        /* The documented default of a number is a value that it accepts. */
        if (s.kind == VTHR_SETTING_UINT && isdigit(s.default_value[0])) {
            EXPECT_EQ(parse({std::string(s.name) + "=" + s.default_value}).result, 0) << s.name;
        }
    }
}

} // namespace
