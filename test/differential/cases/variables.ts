// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are variables of a Dockerfile
import type { DockerfileCase } from '../dockerfile-case.ts'

const GIVEN = [
  'FROM scratch',
  'ENV HOME=/home EMPTY= PATHS=a/b/c.tar.gz TWO="one  two" KOREAN=한국어 STARS=a*b?c Q=\'"\'',
]
const label = (word: string, refused = false): DockerfileCase => ({
  name: word,
  dockerfile: [...GIVEN, `LABEL x=${word}`, `ENV y=${word}`],
  ...(refused ? { refused: true } : {}),
})

const WORDS = [
  ...['plain', '$HOME', 'he${HOME}xx', '$HOME.', '$UNSET.', '${UNSET}', '$.', 'he$', 'he\\$HOME', 'he\\\\$HOME'],
  ...["'he$HOME'", '"he$HOME"', '"he\\$HOME"', '"a\\b"', '"a\\"b"', "he'll'o", "he\\'llo", 'a\\bc', '""', "''"],
  ...['"$TWO"', '$TWO', 'a\\ b', '"a b"\'c d\'', '"${UNSET:-a b}"', "'a\\'", '"a\\\\b"', '"it\'s"', '$Q', '\'a\'"b"c'],
  ...['${UNSET:-word}', '${UNSET-word}', '${EMPTY:-word}', '${EMPTY-word}', '${UNSET:-${HOME}}', '${UNSET:-$HOME/x}'],
  ...['${UNSET:-"a b"}', "${UNSET:-'a$HOME'}", '${UNSET:-\\}}', '${UNSET:-}', '${UNSET-}'],
  ...['${HOME:+set}', '${EMPTY:+set}', '${EMPTY+set}', '${UNSET+set}', '${UNSET:+set}', '${HOME+${UNSET:-deep}}'],
  ...['${HOME:?needed}', '${HOME?needed}', '${EMPTY?needed}'],
  ...['${PATHS#*/}', '${PATHS##*/}', '${PATHS%.*}', '${PATHS%%.*}', '${PATHS#nothing}', '${PATHS%/*}', '${PATHS#?/}'],
  ...['${STARS#a\\*}', '${STARS%\\?c}', '${STARS#*}', '${STARS##*}', '${PATHS%c.tar.gz}', '${EMPTY#x}', '${UNSET##*/}'],
  ...['${PATHS/a/x}', '${PATHS//a/x}', '${PATHS//\\//-}', '${PATHS/b/$HOME}', '${PATHS/?\\/b/x}', '${PATHS/zz/x}'],
  ...['${PATHS//./}', '${STARS/\\*/-}', '${PATHS/*/x}', '${KOREAN/국/x}', '${KOREAN#한}', '$KOREAN한'],
  ...[
    '$1',
    '${1}',
    '$@',
    '${*}',
    '$#',
    '$$',
    '${HOME}${HOME}',
    '$HOME$PATHS',
    '"$HOME"\'$HOME\'$HOME',
    '~',
    '*',
    '{a,b}',
  ],
  ...['a=b', 'a=$HOME=b', '#x', 'a#b', '\\#', '$_', '${_X:-under}', '${PATHS#${UNSET:-a/}}', '${PATHS/${UNSET:-b}/x}'],
]
const REFUSED = [
  '${HOME',
  '${}',
  '${.}',
  '${HOME:}',
  '${HOME:*x}',
  '${UNSET:?is needed}',
  '${EMPTY:?}',
  '${UNSET?}',
  '${TWO%% *}',
]

/** All shell forms of variables, each in a LABEL and an ENV. */
export const VARIABLES: readonly DockerfileCase[] = [
  ...WORDS.map((word) => label(word)),
  ...REFUSED.map((word) => label(word, true)),
  { name: 'the old form of ENV and LABEL', dockerfile: [...GIVEN, 'ENV a b  c $HOME "q" \\x', 'LABEL l  one two'] },
  { name: 'the old form keeps an equals sign', dockerfile: ['FROM scratch', 'ENV a b=c d=e'] },
  {
    name: 'several pairs, and what one gives the next',
    dockerfile: ['FROM scratch', 'ENV a=1', 'ENV a=2 b=$a c=${b}x', 'ENV d=$b$c'],
  },
  { name: 'a pair that is set again keeps its place', dockerfile: ['FROM scratch', 'ENV a=1 b=2', 'ENV a=3'] },
  {
    name: 'a name from a variable',
    dockerfile: ['FROM scratch', 'ENV a=key', 'ENV $a=1 x$a=2', 'LABEL $a=v "q $a"=w'],
  },
  {
    name: 'labels with dots, blanks and quotes',
    dockerfile: [
      'FROM scratch',
      'LABEL com.example.a="x y" "com.example.b b"=z \'c\'=\'d\'',
      'LABEL multi="line \\',
      '  two"',
    ],
  },
  {
    name: 'EXPOSE',
    dockerfile: ['FROM scratch', 'ENV P=80 L="90 91"', 'EXPOSE $P/tcp ${P}1/udp 8000-8003 $L 70/TCP 5/sctp'],
  },
  { name: 'VOLUME', dockerfile: ['FROM scratch', 'ENV P=/p', 'VOLUME $P/a "/b" /c', 'VOLUME ["/d $P", "$P"]'] },
  { name: 'WORKDIR', dockerfile: ['ENV P=/p', 'WORKDIR $P/${UNSET:-x}', 'WORKDIR ../y', 'WORKDIR "a b"'] },
  { name: 'USER', dockerfile: ['FROM scratch', 'ENV U=me', 'USER $U:${UNSET:-group}'] },
  { name: 'STOPSIGNAL', dockerfile: ['FROM scratch', 'ENV S=USR1', 'STOPSIGNAL SIG$S'] },
  {
    name: 'COPY',
    dockerfile: ['FROM scratch', 'ENV P=src O=5:6', 'COPY --chown=$O $P/${UNSET:-a} /$P/'],
    files: { 'src/a': 'A' },
  },
  {
    name: 'COPY --chmod',
    dockerfile: ['FROM scratch', 'ENV M=640', 'COPY --chmod=$M src/a /a'],
    files: { 'src/a': 'A' },
  },
  {
    name: 'CMD and ENTRYPOINT take none',
    dockerfile: ['FROM scratch', 'ENV P=x', 'CMD ["$P"]', 'ENTRYPOINT echo $P ${P}'],
  },
  {
    name: 'HEALTHCHECK and ONBUILD take none',
    dockerfile: ['FROM scratch', 'ENV P=x', 'HEALTHCHECK CMD echo $P', 'ONBUILD ENV A=$P'],
  },
  {
    name: 'the escape of the directive',
    dockerfile: ['# escape=`', 'FROM scratch', 'ENV A=1', 'LABEL a=`$A b=\\$A c="`"" d=c:\\x`', '  e=f'],
  },
]
