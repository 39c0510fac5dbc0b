// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are variables of a Dockerfile
import type { DockerfileCase } from '../dockerfile-case.ts'

const files = { 'src/a': 'A', 'src/b/c': 'C' }
const ONE = [
  'FROM busybox:1 AS one',
  'RUN mkdir /o && echo x > /o/x && ln /o/x /o/y && ln -s x /o/l && chown -R 3:4 /o && chmod 2750 /o',
]

/** ARG scopes, platform arguments, stages and what is taken from them. */
export const STAGES: readonly DockerfileCase[] = [
  { name: 'a build argument', dockerfile: ['ARG V=1', 'RUN echo "$V" > /a'], args: { V: 'given' } },
  { name: 'an argument without a default', dockerfile: ['ARG V', 'RUN echo "${V-unset}" > /a', 'ENV E=$V'] },
  { name: 'an argument that is given empty', dockerfile: ['ARG V=1', 'RUN echo "${V-unset}" > /a'], args: { V: '' } },
  {
    name: 'an argument before it is declared',
    dockerfile: ['ENV E=${V:-before}', 'ARG V=1', 'ENV F=$V'],
    args: { V: 'given' },
  },
  {
    name: 'several arguments in one line',
    dockerfile: ['ARG A=1 B="two words" C', 'ARG D=$A-$B', 'RUN echo "$A $B $C $D" > /a'],
  },
  {
    name: 'an argument declared twice',
    dockerfile: ['ARG V=1', 'RUN echo "$V" > /a', 'ARG V=2', 'RUN echo "$V" > /b'],
  },
  {
    name: 'an argument declared again without a default',
    dockerfile: ['ARG V=1', 'ARG V', 'RUN echo "${V-unset}" > /a'],
  },
  { name: 'a global argument', dockerfile: ['ARG BASE=busybox:1', 'FROM $BASE', 'RUN echo "${BASE-unset}" > /a'] },
  {
    name: 'a global argument that a stage declares',
    dockerfile: ['ARG V=global', 'FROM busybox:1', 'ARG V', 'RUN echo "$V" > /a'],
  },
  {
    name: 'a global argument with another default',
    dockerfile: ['ARG V=global', 'FROM busybox:1', 'ARG V=own', 'RUN echo "$V" > /a'],
  },
  {
    name: 'a global argument from another',
    dockerfile: ['ARG A=busy', 'ARG B=${A}box', 'FROM ${B}:${C:-1}', 'ARG B', 'ENV E=$B'],
  },
  {
    name: 'a global argument that is given',
    dockerfile: ['ARG B=none', 'FROM $B:1', 'ARG B', 'ENV E=$B'],
    args: { B: 'busybox' },
  },
  {
    name: 'arguments end with their stage',
    dockerfile: ['FROM busybox:1 AS one', 'ARG V=1', 'ENV E=$V', 'FROM one', 'RUN echo "${V-unset} $E" > /a'],
  },
  { name: 'an argument that nothing declares', dockerfile: ['RUN echo "${V-unset}" > /a'], args: { V: 'given' } },
  {
    name: 'platform arguments',
    dockerfile: [
      'FROM busybox:1',
      'ARG TARGETPLATFORM',
      'ARG TARGETOS TARGETARCH TARGETVARIANT BUILDPLATFORM BUILDOS BUILDARCH',
      'RUN echo "$TARGETPLATFORM $TARGETOS $TARGETARCH [$TARGETVARIANT] $BUILDPLATFORM $BUILDOS $BUILDARCH" > /a',
    ],
  },
  {
    name: 'platform arguments are not there undeclared',
    dockerfile: ['FROM busybox:1', 'RUN echo "${TARGETPLATFORM-unset}" > /a'],
  },
  {
    name: 'platform arguments in FROM',
    dockerfile: ['FROM --platform=$BUILDPLATFORM busybox:1 AS x-${TARGETARCH}', 'ENV a=1'],
    refused: true,
  },
  { name: '--platform=$BUILDPLATFORM', dockerfile: ['FROM --platform=$BUILDPLATFORM busybox:1', 'ENV a=1'] },
  {
    name: 'the name of the target stage',
    dockerfile: ['FROM busybox:1 AS one', 'ARG TARGETSTAGE', 'RUN echo "$TARGETSTAGE" > /a', 'FROM busybox:1'],
    target: 'one',
  },
  { name: 'COPY --from a stage that ran', dockerfile: [...ONE, 'FROM busybox:1', 'COPY --from=one /o /o'] },
  { name: 'COPY --from into a folder', dockerfile: [...ONE, 'FROM busybox:1', 'COPY --from=one /o/x /o/l /to/'] },
  { name: 'COPY --from by a pattern', dockerfile: [...ONE, 'FROM busybox:1', 'COPY --from=one /o/* /to/'] },
  {
    name: 'COPY --from with another owner',
    dockerfile: [...ONE, 'FROM busybox:1', 'COPY --from=one --chown=5:6 --chmod=600 /o /to'],
  },
  { name: 'COPY --from with --link', dockerfile: [...ONE, 'FROM busybox:1', 'COPY --link --from=one /o /to'] },
  {
    name: 'COPY --from through a link of the stage',
    dockerfile: [
      'FROM busybox:1 AS one',
      'RUN ln -s /old /l && ln -s /old/a /m',
      'FROM scratch',
      'COPY --from=one /l/b /l/a /m /to/',
    ],
  },
  { name: 'COPY --from the whole of a stage', dockerfile: [...ONE, 'FROM scratch', 'COPY --from=one / /'] },
  {
    name: 'COPY --from by number',
    dockerfile: [
      'FROM busybox:1',
      'RUN echo 0 > /0',
      'FROM busybox:1',
      'RUN echo 1 > /1',
      'FROM scratch',
      'COPY --from=0 /0 /',
      'COPY --from=1 /1 /',
    ],
  },
  { name: 'COPY --from an image', dockerfile: ['FROM scratch', 'COPY --from=busybox:1 /old /to'] },
  {
    name: 'COPY --from keeps set-id bits, owners and times',
    dockerfile: [
      'FROM busybox:1 AS one',
      'RUN touch /s && chown 9:9 /s && chmod 4711 /s && touch -d "2001-02-03 04:05:06" /s',
      'FROM scratch',
      'COPY --from=one /s /s',
    ],
    times: ['/s'],
  },
  {
    name: 'COPY --from of a pipe',
    dockerfile: ['FROM busybox:1 AS one', 'RUN mkdir /d && mknod /d/p p', 'FROM scratch', 'COPY --from=one /d /d'],
    except: { '/d/p': 'pipes are left out of images' },
  },
  { name: 'ADD --from is unknown', dockerfile: [...ONE, 'FROM scratch', 'ADD --from=one /o /o'], refused: true },
  {
    name: 'FROM a stage that ran',
    dockerfile: [
      'FROM busybox:1 AS one',
      'RUN echo 1 > /1 && rm /old/a',
      'FROM one',
      'RUN cat /1 > /2',
      'CMD ["cat", "/2"]',
    ],
  },
  {
    name: 'FROM a stage in capitals',
    dockerfile: ['FROM busybox:1 AS One', 'ENV a=1', 'FROM ONE', 'ENV b=2'],
    onlyNaru: 'names of stages know no case, here as in COPY --from',
  },
  {
    name: 'two stages with one name: the last counts',
    dockerfile: [
      'FROM busybox:1 AS one',
      'RUN echo first > /f',
      'FROM busybox:1 AS one',
      'RUN echo second > /f',
      'FROM scratch',
      'COPY --from=one /f /f',
    ],
  },
  {
    name: 'a stage named as an image',
    dockerfile: ['FROM scratch AS alpine', 'COPY src /', 'FROM alpine', 'ENV x=1'],
    files,
  },
  {
    name: 'a target in the middle',
    dockerfile: ['FROM busybox:1 AS one', 'ENV a=1', 'FROM one AS two', 'ENV b=1', 'FROM two', 'RUN false'],
    target: 'TWO',
  },
  {
    name: 'a stage that nobody needs is not built',
    dockerfile: ['FROM busybox:1 AS unused', 'RUN false', 'FROM busybox:1', 'ENV a=1'],
  },
  {
    name: 'a stage that nobody needs may have no image',
    dockerfile: ['FROM not-there:9 AS unused', 'RUN x', 'FROM busybox:1', 'ENV a=1'],
  },
  {
    name: 'three stages in a row',
    dockerfile: [
      'FROM busybox:1 AS a',
      'WORKDIR /w',
      'RUN echo a > a',
      'FROM a AS b',
      'RUN echo b > b && rm a',
      'FROM b',
      'RUN ls > list',
    ],
  },
  {
    name: 'settings of a stage come along with FROM, not with COPY',
    dockerfile: [
      'FROM busybox:1 AS a',
      'ENV A=1',
      'USER app',
      'WORKDIR /w',
      'ENTRYPOINT ["x"]',
      'FROM a AS b',
      'CMD ["y"]',
      'FROM busybox:1',
      'COPY --from=b /w /w2',
    ],
  },
  {
    name: 'ENTRYPOINT resets the command of a stage below',
    dockerfile: ['FROM busybox:1 AS a', 'CMD ["x"]', 'FROM a', 'ENTRYPOINT ["y"]'],
  },
  { name: 'a missing target', dockerfile: ['FROM busybox:1'], target: 'none', refused: true },
  { name: 'a missing image', dockerfile: ['FROM not-there.invalid/x:9', 'ENV a=1'], refused: true },
  { name: 'FROM an empty variable', dockerfile: ['FROM $NONE', 'ENV a=1'], refused: true },
  {
    name: 'COPY --from a later stage',
    dockerfile: ['FROM busybox:1 AS b', 'COPY --from=later /x /x', 'FROM busybox:1 AS later', 'RUN touch /x', 'FROM b'],
    refused: 'needs to be defined before',
  },
  {
    name: 'COPY --from a later stage in a stage that nobody needs',
    dockerfile: ['FROM busybox:1', 'COPY --from=later /x /x', 'FROM busybox:1 AS later', 'RUN touch /x'],
  },
  {
    name: 'COPY --from a later stage by its number',
    dockerfile: ['FROM busybox:1 AS b', 'COPY --from=1 /x /x', 'FROM busybox:1', 'RUN touch /x', 'FROM b'],
    refused: 'needs to be defined before',
  },
  {
    name: 'COPY --from a name that stages above and below have',
    dockerfile: [
      ...['FROM busybox:1 AS c', 'RUN touch /x', 'FROM busybox:1 AS b', 'COPY --from=c /x /x'],
      ...['FROM busybox:1 AS C', 'RUN touch /x', 'FROM b', 'ENV a=1'],
    ],
    refused: 'needs to be defined before',
  },
  {
    name: 'COPY --from its own stage',
    dockerfile: ['FROM busybox:1 AS me', 'COPY --from=me /old /x'],
    refused: 'from itself',
  },
  {
    name: 'COPY --from the number of its own stage',
    dockerfile: ['FROM busybox:1', 'COPY --from=0 /old /x'],
    refused: 'from itself',
  },
  {
    name: 'a stage that nobody needs copies from itself',
    dockerfile: ['FROM busybox:1 AS me', 'COPY --from=me /old /x', 'FROM busybox:1', 'ENV a=1'],
    onlyNaru: 'a stage that nobody needs is not looked into',
  },
  {
    name: 'a mount from a later stage',
    dockerfile: [
      ...['FROM busybox:1 AS b', 'RUN --mount=from=later,target=/m cat /m/x > /y'],
      ...['FROM busybox:1 AS later', 'RUN touch /x', 'FROM b'],
    ],
    refused: 'needs to be defined before',
  },
  {
    name: 'a mount from its own stage',
    dockerfile: ['FROM busybox:1 AS me', 'RUN --mount=from=me,target=/m true'],
    refused: 'from itself',
  },
  {
    name: 'COPY --from with a variable',
    dockerfile: [...ONE, 'FROM busybox:1', 'ARG S=one', 'COPY --from=$S /o /o'],
    refused: true,
  },
  {
    name: 'COPY --from a number that is too large',
    dockerfile: ['FROM busybox:1', 'COPY --from=5 /x /x'],
    refused: true,
  },
  {
    name: 'an unknown platform',
    dockerfile: ['FROM --platform=no/such/thing/at/all busybox:1', 'ENV a=1'],
    refused: true,
  },
]
