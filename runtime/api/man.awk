# Makes the manual pages of section 3 from vthr.h:  awk -v out=DIR -v version=V -f man.awk vthr.h
#
# What it knows of the header:
#   the first comment           is the page vthr(3), whose list of functions is by the header's sections
#   /* ---- Title ---- */       begins a section
#   a comment and what follows  up to an empty line or the next comment: one page, for the first function or macro declared there;
#                               the others' are links to it.  The first sentence is the page's NAME, "Errors:" and "Aborts:" begin
#                               sections of their own, a line with "- " is an item of a list
#   a comment and a typedef     belong to the page that follows
#   functions without comment   get no page
function quote(s) {
    gsub(/\\/, "\\e", s)
    gsub(/-/, "\\-", s)
    sub(/^[.']/, "\\\\\\&&", s)
    gsub(/(vthr|VTHR)_[A-Za-z_]+/, "\\fB&\\fP", s)
    return s
}
# One paragraph or list item a line.
function put_text(file, s,    line, n, i) {
    n = split(s, line, "\n")
    for (i = 1; i <= n; i++) {
        if (line[i] == "")
            continue
        if (sub(/^- /, "", line[i]))
            print ".IP \\(bu 3" > file
        else if (i > 1)
            print ".PP" > file
        print quote(line[i]) > file
    }
}
function head(file, name) {
    print ".\\\" Made from vthr.h by man.awk." > file
    printf ".TH %s 3 \"\" \"libvthr %s\" \"libvthr\"\n", toupper(name), version > file
    print ".SH NAME" > file
}
# The text before, in and behind the parts "Errors:" and "Aborts:", which are in this order.
function cut(s, from, to,    a, b) {
    a = from == "" ? 1 : index(s, from)
    if (!a)
        return ""
    a += length(from)
    s = substr(s, a)
    b = to == "" ? 0 : index(s, to)
    s = b ? substr(s, 1, b - 1) : s
    gsub(/^[ \n]+|[ \n]+$/, "", s)
    return s
}
function summary(s,    i) {
    s = cut(cut(s, "", "Aborts:"), "", "Errors:")
    i = match(s, /[.:;]( |\n|$)|\n/)
    s = i ? substr(s, 1, i - 1) : s
    return tolower(substr(s, 1, 1)) substr(s, 2)
}
function page(    name, n, i, file, list, errors, aborts) {
    n = split(names, name, " ")
    if (n == 0 || text == "")
        return
    file = out "/" name[1] ".3"
    for (i = 1; i <= n; i++) {
        list = list (i > 1 ? ", " : "") name[i]
        if (i > 1)
            print ".so man3/" name[1] ".3" > (out "/" name[i] ".3")
        contents[sections] = contents[sections] " " name[i]
    }
    head(file, name[1])
    print quote(list) " \\- " quote(summary(text)) > file
    print ".SH SYNOPSIS\n.nf\n.B #include <vthr.h>\n.PP" > file
    printf "%s", prototypes > file
    print ".PP\nLink with \\fI\\-lvthr\\fP.\n.fi\n.SH DESCRIPTION" > file
    put_text(file, cut(cut(text, "", "Aborts:"), "", "Errors:") (intro == "" ? "" : "\n" intro))
    if (prototypes ~ /^int vthr/ && text !~ /[Rr]eturns|^1 when/)
        print ".SH RETURN VALUE\n0, or an errno value; \\fIerrno\\fP itself is not touched." > file
    errors = cut(cut(text, "", "Aborts:"), "Errors:", "")
    if (errors != "") {
        print ".SH ERRORS" > file
        put_text(file, errors)
    }
    aborts = cut(text, "Aborts:", "")
    if (aborts != "") {
        print ".SH MISUSE\nThe process is aborted, after one line on standard error that names the object:" > file
        put_text(file, aborts)
    }
    print ".SH SEE ALSO\n.BR vthr (3)" > file
    close(file)
    intro = ""
}
function end_block() {
    if (!first && text != "") {
        if (names != "")
            page()
        else if (types != "")
            intro = intro (intro == "" ? "" : "\n") text
    }
    text = names = prototypes = types = ""
}
function declare(s,    name) {
    sub(/^static inline /, "", s)
    sub(/[ \\]*$/, "", s)
    if (s ~ /^typedef/) {
        types = types s
        return
    }
    if (!match(s, /(vthr|VTHR)_[A-Za-z_]+\(/) && !(s ~ /^#define/ && match(s, /VTHR_[A-Za-z_]+ /)))
        return
    name = substr(s, RSTART, RLENGTH - 1)
    if (s ~ /^#define/) {
        sub(/^#define +/, "", s)
        s = s ~ /\(/ ? substr(s, 1, index(s, ")")) : name
    } else if (s !~ /;$/)
        s = s ";"
    names = names " " name
    gsub(/\\/, "\\e", s)
    gsub(/-/, "\\-", s)
    prototypes = prototypes ".B \"" s "\"\n"
}

/^\/\* ---- .* ---- \*\/$/ {
    end_block()
    first = 0
    title[++sections] = substr($0, 9, length($0) - 16)
    next
}
!comment && /^\/\*/ {
    if (names != "" || types != "" || !lines++)
        end_block()
    else
        text = ""
    if (lines == 1)
        first = 1
    comment = 1
    text = ""
    fresh = 1
}
comment {
    line = $0
    sub(/^\/\* ?|^ \*\/?( |$)/, "", line)
    ended = sub(/ *\*\/.*$/, "", line)
    if (line == "")
        fresh = 1
    else if (fresh || line ~ /^- / || (item && line !~ /^ /) || line ~ /^(Errors|Aborts|Returns)[: ]/)
        text = text (text == "" ? "" : "\n") line
    else {
        sub(/^ +/, "", line)
        text = text " " line
    }
    if (line != "")
        fresh = 0
    if (ended) {
        comment = 0
        if (first && overview == "") {
            overview = text
            text = ""
        }
    }
    next
}
/^$/ { end_block(); next }
/^[a-z#]/ && !/^#(if|endif|include)/ { declare($0) }

END {
    end_block()
    file = out "/vthr.3"
    head(file, "vthr")
    sub(/^vthr\.h: /, "", overview)
    print "vthr \\- " quote(summary(overview)) > file
    print ".SH SYNOPSIS\n.nf\n.B #include <vthr.h>\n.PP\nLink with \\fI\\-lvthr\\fP.\n.fi\n.SH DESCRIPTION" > file
    sub(/^[^\n]*\n/, "", overview)
    put_text(file, overview)
    print ".SH FUNCTIONS" > file
    for (i = 1; i <= sections; i++)
        if (contents[i] != "") {
            print ".TP\n.B " title[i] > file
            n = split(contents[i], name, " ")
            for (k = 1; k <= n; k++)
                print ".BR " name[k] " (3)" (k < n ? "," : "") > file
        }
    print ".SH SEE ALSO\n.BR vthr (1)" > file
}
