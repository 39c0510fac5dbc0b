import type { TestFile } from '../../../src/build/testing.ts'

/** A Dockerfile that Naru and buildah must build to the same root file system and configuration. */
export interface DockerfileCase {
  readonly name: string
  /** Built each time; the others with NARU_DOCKERFILES=all, since buildah needs two seconds for each. */
  readonly always?: true
  /** Lines after `FROM busybox:1`, or a whole Dockerfile when the first line is a FROM or an ARG. */
  readonly lines: readonly string[]
  readonly files?: Readonly<Record<string, TestFile>>
  readonly args?: Readonly<Record<string, string>>
  /** Paths on which buildah 1.28 is known to differ from BuildKit; each with its reason. */
  readonly butNot?: Readonly<Record<string, string>>
}

const files = { 'src/a': 'A', 'src/b/c': 'C', 'src/run': { run: '#!/bin/sh\necho ran\n' } }

export const CASES: readonly DockerfileCase[] = [
  { name: 'files that a command makes', lines: ['RUN echo hello > /a && mkdir -p /x/y && touch /x/y/z'] },
  { name: 'exec form', lines: ['RUN ["mkdir", "/made by exec"]'] },
  { name: 'SHELL', lines: ['SHELL ["/bin/sh", "-ec"]', 'RUN echo $0 > /a'] },
  { name: 'ENV and ARG', always: true, lines: ['ARG V=1', 'ENV E=$V-2 V2=x', 'RUN echo "$V $E $V2" > /a'] },
  { name: 'ENV before ARG of the same name', lines: ['ENV V=env', 'ARG V=arg', 'RUN echo "$V" > /a'] },
  { name: 'build arguments', lines: ['ARG V=1', 'RUN echo "$V" > /a'], args: { V: 'given' } },
  { name: 'WORKDIR', lines: ['WORKDIR /w', 'WORKDIR sub', 'RUN pwd > here'] },
  {
    name: 'USER by name',
    always: true,
    lines: ['RUN chmod 1777 /tmp', 'USER app', 'RUN id > /tmp/id; echo $HOME >> /tmp/id'],
  },
  { name: 'USER by number', lines: ['RUN chmod 1777 /tmp', 'USER 1234', 'RUN id > /tmp/id'] },
  { name: 'USER with group', lines: ['RUN chmod 1777 /tmp', 'USER app:extra', 'RUN id > /tmp/id'] },
  { name: 'a file removed', lines: ['RUN rm /old/a'] },
  { name: 'a folder removed', lines: ['RUN rm -r /old'] },
  { name: 'a folder made anew', lines: ['RUN rm -r /old && mkdir /old && touch /old/new'] },
  {
    name: 'a folder inside made anew',
    always: true,
    lines: ['RUN rm -r /old/b && mkdir -p /old/b/d && touch /old/b/d/e'],
  },
  { name: 'a folder renamed', lines: ['RUN mv /old /new'] },
  { name: 'a file becomes a folder', always: true, lines: ['RUN rm /old/a && mkdir /old/a && touch /old/a/x'] },
  { name: 'a folder becomes a file', lines: ['RUN rm -r /old/b && touch /old/b'] },
  { name: 'a folder becomes a link', lines: ['RUN rm -r /old/b && ln -s /bin /old/b'] },
  { name: 'removed and made by two RUNs', lines: ['RUN rm -r /old', 'RUN mkdir /old && touch /old/x'] },
  {
    name: 'what was made is removed',
    lines: ['RUN mkdir /t && touch /t/a', 'RUN rm -r /t', 'RUN test ! -e /t && echo gone > /list'],
  },
  { name: 'hard links', always: true, lines: ['RUN echo x > /one && ln /one /a && mkdir /d && ln /one /d/two'] },
  { name: 'a hard link to a file of the base', lines: ['RUN ln /old/a /old/z && echo more >> /old/z'] },
  { name: 'links', lines: ['RUN ln -s nowhere /l && ln -s /bin/sh /m && chown -h 5:6 /l'] },
  {
    name: 'modes and set-id bits',
    always: true,
    lines: ['RUN touch /a /b && chmod 4755 /a && chmod 2711 /b && mkdir -m 1777 /c'],
  },
  { name: 'owners', lines: ['RUN touch /a && chown 1000:2000 /a && mkdir /d && chown app:app /d'] },
  { name: 'an owner changed only', lines: ['RUN chown -R app:app /old'] },
  { name: 'a mode changed only', lines: ['RUN chmod 700 /old/b'] },
  { name: 'odd names', always: true, lines: ['RUN touch "/a b" "/나루" "/-x" "/q\\"uote" && echo x > "/tab\tname"'] },
  {
    name: 'long names',
    lines: [
      'RUN d=/$(echo 12345678901234567890123456789012345678901234567890 | sed "s/.*/&&&&/"); mkdir -p "$d$d" && touch "$d$d/f" && ln "$d$d/f" /short',
    ],
  },
  { name: 'a sparse file', lines: ['RUN dd if=/dev/zero of=/sparse bs=1 count=1 seek=3000000'] },
  { name: 'an empty command', lines: ['RUN true'] },
  {
    name: 'COPY between RUNs',
    always: true,
    lines: ['RUN mkdir /w', 'COPY src /w', 'RUN /w/run > /w/out && rm /w/a', 'COPY src/a /w/again'],
    files,
  },
  {
    name: 'COPY into a folder with its own settings',
    lines: ['RUN mkdir -m 700 /p && chown 7:8 /p', 'COPY src/a /p/', 'RUN ls -ld /p | cut -c1-10 > /mode || true'],
    files,
  },
  {
    name: 'COPY --from a stage that ran',
    lines: [
      'FROM busybox:1 AS one',
      'RUN mkdir /o && echo x > /o/x && ln /o/x /o/y && chown -R 3:4 /o',
      'FROM busybox:1',
      'COPY --from=one /o /o',
    ],
    butNot: {
      o: 'BuildKit keeps the owner of a folder that is copied',
      'o/y': 'one file with two names becomes two equal files',
    },
  },
  {
    name: 'FROM a stage that ran',
    lines: [
      'FROM busybox:1 AS one',
      'RUN echo 1 > /1 && rm /old/a',
      'FROM one',
      'RUN cat /1 > /2',
      'CMD ["cat", "/2"]',
    ],
  },
  {
    name: 'settings beside RUN',
    lines: ['LABEL a=b', 'EXPOSE 80', 'RUN touch /x', 'ENTRYPOINT ["/x"]', 'VOLUME /v', 'STOPSIGNAL SIGINT'],
  },
]
