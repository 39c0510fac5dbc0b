import type { DockerfileCase } from '../dockerfile-case.ts'

const S = 'FROM scratch'

/** What is in the image's configuration. */
export const SETTINGS: readonly DockerfileCase[] = [
  { name: 'CMD and ENTRYPOINT, both forms', dockerfile: [S, 'CMD echo hi', 'ENTRYPOINT ["/x", "y"]'] },
  { name: 'the last CMD counts', dockerfile: [S, 'CMD a', 'CMD ["b"]'] },
  { name: 'CMD before ENTRYPOINT of one stage stays', dockerfile: [S, 'CMD ["b"]', 'ENTRYPOINT ["a"]'] },
  { name: 'ENTRYPOINT resets the command of the base', dockerfile: ['FROM settings:1', 'ENTRYPOINT ["mine"]'] },
  { name: 'ENTRYPOINT and CMD over a base', dockerfile: ['FROM settings:1', 'ENTRYPOINT ["mine"]', 'CMD ["x"]'] },
  { name: 'CMD alone over a base', dockerfile: ['FROM settings:1', 'CMD ["x"]'] },
  { name: 'everything of the base stays', dockerfile: ['FROM settings:1', 'ENV more=1'] },
  {
    name: 'everything of the base is changed',
    dockerfile: [
      'FROM settings:1',
      'ENV BASE=mine',
      'LABEL changed=mine new=x',
      'EXPOSE 81',
      'VOLUME /more',
      'STOPSIGNAL 9',
      'USER 0',
      'WORKDIR mine',
      'HEALTHCHECK NONE',
    ],
  },
  {
    name: 'what a base gives to RUN and COPY',
    dockerfile: ['FROM settings:1', 'COPY a .', 'USER root', 'RUN echo "$BASE $(pwd)" > out'],
    files: { a: 'A' },
  },
  { name: 'SHELL for CMD and ENTRYPOINT', dockerfile: [S, 'SHELL ["/bin/bash", "-c"]', 'CMD a b', 'ENTRYPOINT c d'] },
  { name: 'SHELL for HEALTHCHECK', dockerfile: [S, 'SHELL ["/bin/bash", "-c"]', 'HEALTHCHECK CMD a b'] },
  { name: 'HEALTHCHECK in shell form', dockerfile: [S, 'HEALTHCHECK CMD curl -f http://localhost/ || exit 1'] },
  {
    name: 'HEALTHCHECK in list form',
    dockerfile: [
      S,
      'HEALTHCHECK --interval=1m30s --timeout=500ms --start-period=0s --start-interval=2s --retries=5 CMD ["a", "b"]',
    ],
  },
  {
    name: 'HEALTHCHECK with halves and many units',
    dockerfile: [S, 'HEALTHCHECK --interval=1.5h --timeout=1h2m3s4ms CMD a'],
  },
  { name: 'HEALTHCHECK with zero retries', dockerfile: [S, 'HEALTHCHECK --retries=0 --interval=0 CMD a'] },
  { name: 'HEALTHCHECK NONE', dockerfile: [S, 'HEALTHCHECK NONE'] },
  { name: 'HEALTHCHECK twice', dockerfile: [S, 'HEALTHCHECK CMD a', 'HEALTHCHECK CMD b'] },
  { name: 'HEALTHCHECK in small letters', dockerfile: [S, 'healthcheck --retries=1 cmd a', 'cmd b'] },
  {
    name: 'STOPSIGNAL by name, short name and number',
    dockerfile: [S, 'STOPSIGNAL SIGTERM', 'STOPSIGNAL KILL', 'STOPSIGNAL 15'],
  },
  { name: 'a real-time signal', dockerfile: [S, 'STOPSIGNAL SIGRTMIN+3'] },
  { name: 'EXPOSE with protocols and twice', dockerfile: [S, 'EXPOSE 80 80/tcp 80/udp', 'EXPOSE 443'] },
  { name: 'VOLUME as list and words', dockerfile: [S, 'VOLUME /a /b', 'VOLUME ["/c d"]', 'VOLUME rel/e'] },
  { name: 'WORKDIR', dockerfile: [S, 'WORKDIR a', 'WORKDIR /b/../c/', 'WORKDIR ./d/.'] },
  { name: 'WORKDIR that is there already', dockerfile: ['WORKDIR /old/b', 'WORKDIR /'] },
  { name: 'WORKDIR through a link', dockerfile: ['RUN ln -s /old /l', 'WORKDIR /l/new', 'RUN pwd > here'] },
  { name: 'WORKDIR after USER belongs to that user', dockerfile: ['USER app', 'WORKDIR /made'] },
  { name: 'USER', dockerfile: [S, 'USER 1000:1000'] },
  {
    name: 'ONBUILD of all kinds',
    dockerfile: [S, 'ONBUILD RUN a && b', 'ONBUILD COPY --from=x a b', 'onbuild env a=1', 'ONBUILD   CMD ["x"]'],
  },
  { name: 'triggers of the base', dockerfile: ['FROM triggers:1', 'RUN cat /who > /seen'], files: { 'src/a': 'A' } },
  {
    name: 'triggers of the base with an argument',
    dockerfile: ['FROM triggers:1', 'ENV AFTER=$TRIGGERED'],
    files: { 'src/a': 'A' },
    args: { WHO: 'me' },
  },
  {
    name: 'triggers of the base are not handed on',
    dockerfile: ['FROM triggers:1 AS one', 'FROM one', 'ENV x=1'],
    files: { 'src/a': 'A' },
  },
  {
    name: 'triggers of a stage',
    dockerfile: ['FROM busybox:1 AS one', 'ONBUILD RUN touch /triggered', 'FROM one', 'ENV x=1'],
  },
  { name: 'labels', dockerfile: [S, 'LABEL b=1 a=2', 'LABEL "c d"="e \\" f"', 'LABEL a=3'] },
  { name: 'PATH from scratch may be set', dockerfile: [S, 'ENV PATH=/x:$PATH'] },
  { name: 'nothing but FROM', dockerfile: ['FROM busybox:1'] },
  {
    name: 'settings beside RUN',
    dockerfile: ['LABEL a=b', 'EXPOSE 80', 'RUN touch /x', 'ENTRYPOINT ["/x"]', 'VOLUME /v', 'STOPSIGNAL SIGINT'],
  },
]
