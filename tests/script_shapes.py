"""Scripts that make certificates, in many shapes; what each makes is known, and cryptography is the judge.

Add a shape: a script that runs after `_BEFORE` in an empty folder and leaves its leaf in server.crt, and what there is
against that leaf. `fixed` is what is left of that with `--fix`.
"""

from __future__ import annotations

from dataclasses import dataclass

_BEFORE = """\
openssl ecparam -name prime256v1 -genkey -noout -out ca.key
openssl req -x509 -new -key ca.key -sha256 -days 3650 -subj "/CN=Shapes Root CA" -out ca.crt
openssl ecparam -name prime256v1 -genkey -noout -out server.key
openssl req -new -key server.key -subj /CN=pbx.example.com -out server.csr
"""
"""A root and a request: what most shapes begin with."""

_SIGN = "openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial"


@dataclass(frozen=True)
class Shape:
    """A script, and the truth about its leaf."""

    name: str
    script: str
    bad: str = ""
    """What is wrong with the leaf: any of eku, days, digest, names, ca; empty: it complies."""
    left: str = ""
    """What is left of that with --fix."""
    shell: str = "sh"
    before: str = _BEFORE


GOOD_LINES = "subjectAltName=DNS:pbx.example.com\\nextendedKeyUsage=serverAuth,clientAuth\\n"
_CONFIG = """\
cat > my.cnf <<EOF
[ req ]
distinguished_name = dn
prompt = no
x509_extensions = v3
{req}
[ dn ]
CN = pbx.example.com
[ v3 ]
basicConstraints = CA:FALSE
subjectAltName = @names
{v3}
[ names ]
DNS.1 = pbx.example.com
IP.1 = 192.0.2.5
EOF
"""
_SELF = "openssl req -x509 -new -key server.key -config my.cnf -days {days} -out server.crt"
_CA = """\
mkdir -p new; : > index.txt; echo 01 > serial
cat > ca.cnf <<EOF
[ ca ]
default_ca = ours
[ ours ]
dir = .
database = \\$dir/index.txt
new_certs_dir = \\$dir/new
serial = \\$dir/serial
certificate = \\$dir/ca.crt
private_key = \\$dir/ca.key
default_md = {md}
default_days = {days}
policy = any
x509_extensions = leaf
[ any ]
commonName = supplied
[ leaf ]
basicConstraints = CA:FALSE
subjectAltName = DNS:pbx.example.com
{more}
EOF
"""

SHAPES = (
    Shape(
        "heredoc with a section",
        f"cat > e <<EOF\n[ v3_req ]\nsubjectAltName = DNS:pbx.example.com\nEOF\n{_SIGN} -days 3650 -sha256"
        " -extfile e -extensions v3_req -out server.crt",
        bad="eku days",
    ),
    Shape(
        "heredoc without a section",
        f"cat > e <<'EOF'\nsubjectAltName = DNS:pbx.example.com\nEOF\n{_SIGN} -days 365 -extfile e -out server.crt",
        bad="eku",
    ),
    Shape(
        "heredoc with tabs",
        f"cat > e <<-EOF\n\tsubjectAltName = DNS:pbx.example.com\n\textendedKeyUsage = serverAuth\n\tEOF\n"
        f"{_SIGN} -days 820 -extfile e -out server.crt",
    ),
    Shape(
        "echo lines",
        'echo "[ v3_req ]" > e\necho "basicConstraints = CA:FALSE" >> e\n'
        'echo "subjectAltName = DNS:pbx.example.com" >> e\n'
        f"DAYS=$((365*7))\n{_SIGN} -days $DAYS -extfile e -extensions v3_req -out server.crt",
        bad="eku days",
    ),
    Shape("printf", f"printf '{GOOD_LINES}' > e\n{_SIGN} -days 820 -extfile e -out server.crt"),
    Shape("printf, too long", f"printf '{GOOD_LINES}' > e\n{_SIGN} -days 826 -extfile e -out server.crt", bad="days"),
    Shape("SHA-1", f"printf '{GOOD_LINES}' > e\n{_SIGN} -sha1 -days 365 -extfile e -out server.crt", bad="digest"),
    Shape(
        "clients alone",
        "printf 'subjectAltName=DNS:pbx.example.com\\nextendedKeyUsage=critical,clientAuth,emailProtection\\n' > e\n"
        f"{_SIGN} -days 365 -extfile e -out server.crt",
        bad="eku",
    ),
    Shape("no extension file", f"{_SIGN} -days 365 -out server.crt", bad="eku names", left="names"),
    Shape(
        "no names",
        f"echo extendedKeyUsage=serverAuth > e\n{_SIGN} -days 3650 -extfile e -out server.crt",
        bad="names days",
        left="names",
    ),
    Shape(
        "extension file from standard input",
        f"printf '{GOOD_LINES}' | {_SIGN} -days 3650 -extfile /dev/stdin -out server.crt",
        bad="days",
    ),
    Shape(
        "process substitution",
        f"{_SIGN} -days 365 -extfile <(printf 'subjectAltName=DNS:pbx.example.com\\n') -out server.crt",
        bad="eku",
        shell="bash",
    ),
    Shape(
        "certificate on standard output",
        f"printf 'subjectAltName=DNS:pbx.example.com\\n' > e\n{_SIGN} -days 365 -extfile e > server.crt",
        bad="eku",
    ),
    Shape(
        "certificate through a pipe",
        f"printf 'subjectAltName=DNS:pbx.example.com\\n' > e\n{_SIGN} -days 365 -extfile e | cat > server.crt",
        bad="eku",
    ),
    Shape(
        "in a function with arguments",
        f'sign() {{\n  printf "subjectAltName=DNS:%s\\n" "$1" > e\n'
        f'  {_SIGN} -days "$2" -extfile e -out server.crt\n}}\n'
        "sign pbx.example.com 3650",
        bad="eku days",
    ),
    Shape(
        "in a loop, a certificate each",
        "for n in a b pbx; do\n  printf 'subjectAltName=DNS:%s.example.com\\n' $n > e\n"
        f"  {_SIGN} -days 900 -extfile e -out $n.crt\ndone\nmv pbx.crt server.crt",
        bad="eku days",
    ),
    Shape(
        "the extension file is removed at once",
        f"T=$(mktemp)\nprintf '{GOOD_LINES}' > $T\n{_SIGN} -days 3650 -extfile $T -out server.crt\nrm $T",
        bad="days",
    ),
    Shape("req -x509 with a config", _CONFIG.format(req="", v3="") + _SELF.format(days=3650), bad="eku days"),
    Shape(
        "req -x509 with a config that complies",
        _CONFIG.format(req="default_md = sha256", v3="extendedKeyUsage = serverAuth") + _SELF.format(days=365),
    ),
    Shape(
        "req -x509 with default_md",
        _CONFIG.format(req="default_md = sha1", v3="extendedKeyUsage = serverAuth") + _SELF.format(days=365),
    ),
    Shape(
        "req -x509 with OPENSSL_CONF",
        _CONFIG.format(req="", v3="")
        + "export OPENSSL_CONF=$PWD/my.cnf\nopenssl req -x509 -new -key server.key -days 365 -out server.crt",
        bad="eku",
    ),
    Shape(
        "req -x509 -addext",
        _CONFIG.format(req="", v3="").replace("subjectAltName = @names\n", "")
        + _SELF.format(days=365)
        + " -addext subjectAltName=DNS:pbx.example.com -addext extendedKeyUsage=clientAuth",
        bad="eku",
    ),
    Shape(
        "req -x509 -addext that makes a CA by openssl's own config",
        "openssl req -x509 -new -key server.key -days 365 -subj /CN=pbx.example.com -out server.crt"
        " -addext subjectAltName=DNS:pbx.example.com -addext extendedKeyUsage=serverAuth",
        bad="ca",
        left="ca",
    ),
    Shape(
        "x509 -signkey",
        "printf 'basicConstraints=CA:FALSE\\nsubjectAltName=DNS:pbx.example.com\\n' > e\n"
        "openssl x509 -req -in server.csr -signkey server.key -days 3650 -extfile e -out server.crt",
        bad="eku days",
    ),
    Shape(
        "openssl ca",
        _CA.format(md="sha256", days=3650, more="")
        + "openssl ca -batch -config ca.cnf -in server.csr -out server.crt -notext",
        bad="eku days",
    ),
    Shape(
        "openssl ca with -infiles, and text before the certificate",
        _CA.format(md="sha1", days=365, more="extendedKeyUsage = serverAuth")
        + "openssl ca -batch -config ca.cnf -out server.crt -infiles server.csr",
        bad="digest",
    ),
    Shape(
        "openssl ca that complies",
        _CA.format(md="sha256", days=820, more="extendedKeyUsage = serverAuth")
        + "openssl ca -batch -config ca.cnf -in server.csr > server.crt",
    ),
    Shape(
        "openssl ca, its certificate in new_certs_dir",
        _CA.format(md="sha256", days=3650, more="extendedKeyUsage = serverAuth")
        + "openssl ca -batch -config ca.cnf -in server.csr -out /dev/null\ncp new/01.pem server.crt",
        bad="days",
    ),
    Shape(
        "openssl ca with -md, -days and an extension file",
        _CA.format(md="sha256", days=365, more="") + "printf 'subjectAltName=DNS:pbx.example.com\\n' > e\n"
        "openssl ca -batch -config ca.cnf -md sha1 -days 1000 -extfile e -in server.csr -out server.crt",
        bad="eku days digest",
    ),
    Shape(
        "openssl ca -enddate",
        _CA.format(md="sha256", days=365, more="extendedKeyUsage = serverAuth")
        + "openssl ca -batch -config ca.cnf -enddate 20401231235959Z -in server.csr -out server.crt",
        bad="days",
    ),
    Shape(
        "openssl ca that copies the request's extensions",
        _CA.format(md="sha256", days=3650, more="")
        .replace("subjectAltName = DNS:pbx.example.com", "")
        .replace("policy = any", "policy = any\ncopy_extensions = copy")
        + "openssl req -new -key server.key -subj /CN=pbx.example.com -addext subjectAltName=DNS:pbx.example.com"
        " -out names.csr\n"
        "openssl ca -batch -config ca.cnf -out server.crt -infiles names.csr",
        bad="eku days",
    ),
    Shape(
        "a certificate that signed itself is renewed",
        f"printf '{GOOD_LINES}' > e\n"
        "openssl x509 -req -in server.csr -signkey server.key -days 30 -extfile e -out old.crt\n"
        "openssl x509 -in old.crt -signkey server.key -days 3650 -out server.crt",
        bad="days",
    ),
    Shape(
        "usages in a section of their own",
        "printf '[v]\\nsubjectAltName=DNS:pbx.example.com\\nextendedKeyUsage=@u\\n[u]\\n1=clientAuth\\n' > e\n"
        f"{_SIGN} -days 365 -extfile e -extensions v -out server.crt",
        bad="eku",
    ),
    Shape(
        "usages from a variable of the config",
        "printf 'use=serverAuth\\n[v]\\nsubjectAltName=DNS:pbx.example.com\\nextendedKeyUsage=$use\\n' > e\n"
        f"{_SIGN} -days 365 -extfile e -extensions v -out server.crt",
    ),
    Shape(
        "the program in a variable, options in another",
        'OPENSSL=${OPENSSL:-openssl} OPTIONS="-days 3650 -sha256"\n'
        f"printf '{GOOD_LINES}' > e\n{_SIGN.replace('openssl', '$OPENSSL', 1)} $OPTIONS -extfile e -out server.crt",
        bad="days",
    ),
    Shape("option=value", f"printf '{GOOD_LINES}' > e\n{_SIGN} -days=3650 --extfile=e -out=server.crt", bad="days"),
    Shape("DER", f"printf '{GOOD_LINES}' > e\n{_SIGN} -days 3650 -extfile e -outform DER -out server.crt", bad="days"),
    Shape(
        "key and certificate in one file",
        _CONFIG.format(req="", v3="extendedKeyUsage = serverAuth")
        + "openssl req -x509 -newkey rsa:2048 -nodes -config my.cnf -days 3650 -keyout server.crt -out server.crt"
        " 2>/dev/null",
        bad="days",
    ),
    Shape(
        "it changes PATH",
        f"PATH=/usr/local/bin:/usr/bin:/bin\nprintf '{GOOD_LINES}' > e\n{_SIGN} -days 3650 -extfile e -out server.crt",
        bad="days",
    ),
    Shape(
        "it calls openssl by its path",
        f"printf '{GOOD_LINES}' > e\n{_SIGN.replace('openssl', '/usr/bin/openssl', 1)} -days 3650 -extfile e"
        " -out server.crt",
        bad="days",
    ),
)


def script_text(shape: Shape) -> str:
    """Return the whole script, which ends at its first failure."""
    return f"set -e\n{shape.before}{shape.script}\n"
