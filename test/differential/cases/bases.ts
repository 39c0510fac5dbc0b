/** Images that cases stand on, beside `busybox:1` of src/build/run/testing.ts: name → Dockerfile. Built by Naru, given to both. */
export const BASES: Readonly<Record<string, readonly string[]>> = {
  // With the folders that a runtime mounts on: BuildKit leaves those behind where the image has none.
  busybox: ['FROM busybox:1', 'WORKDIR /dev', 'WORKDIR /proc', 'WORKDIR /sys', 'WORKDIR /'],
  triggers: [
    'FROM busybox:1',
    'ONBUILD ARG WHO=nobody',
    'ONBUILD COPY src/a /from-trigger',
    'ONBUILD RUN echo "$WHO" > /who',
    'ONBUILD ENV TRIGGERED=yes',
  ],
  settings: [
    'FROM busybox:1',
    'ENV BASE=base LIST=a:b',
    'WORKDIR /base',
    'LABEL kept=base changed=base',
    'EXPOSE 80',
    'VOLUME /data',
    'STOPSIGNAL SIGINT',
    'ENTRYPOINT ["/base-entry"]',
    'CMD ["base-argument"]',
    'HEALTHCHECK --interval=5s --retries=2 CMD true',
    'USER app',
  ],
  shelled: ['FROM busybox:1', 'SHELL ["/bin/sh", "-ec"]'],
}
