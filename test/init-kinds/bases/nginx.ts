import { chmod, cp, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { debianPackages } from '../../peers/debian-packages.ts'
import { type Base, path } from '../base.ts'
import { copyProgram } from '../base-root.ts'

const PACKAGES = ['nginx', 'nginx-common']

/** Debian's nginx with an entry point that does what the image's documentation says of templates. */
export const nginxBase: Base = {
  name: 'nginxinc/nginx-unprivileged:stable-alpine',
  missing: async () =>
    debianPackages('bookworm', PACKAGES).then(
      () => null,
      () => 'apt-get with packages of Debian',
    ),
  async fill(root) {
    const packages = await debianPackages('bookworm', PACKAGES)
    await copyProgram(root, join(packages, 'usr/sbin/nginx'), '/usr/sbin/nginx')
    for (const folder of ['etc/nginx/conf.d', 'usr/share/nginx/html'])
      await mkdir(join(root, folder), { recursive: true })
    await cp(join(packages, 'etc/nginx/mime.types'), join(root, 'etc/nginx/mime.types'))
    await writeFile(join(root, 'etc/nginx/nginx.conf'), NGINX)
    await writeFile(join(root, 'docker-entrypoint.sh'), ENTRY_POINT)
    await chmod(join(root, 'docker-entrypoint.sh'), 0o755)
    return [
      path(''),
      'RUN chown 101:101 /etc/nginx/conf.d',
      'USER 101',
      'ENTRYPOINT ["/docker-entrypoint.sh"]',
      'CMD ["nginx", "-g", "daemon off;"]',
    ]
  },
}

const NGINX = `pid /tmp/nginx.pid;
error_log /dev/stderr;
events {}
http {
  include /etc/nginx/mime.types;
  access_log off;
  client_body_temp_path /tmp/c; proxy_temp_path /tmp/p; fastcgi_temp_path /tmp/f; uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s;
  include /etc/nginx/conf.d/*.conf;
}
`
const ENTRY_POINT = `#!/bin/sh
set -e
for one in /etc/nginx/templates/*.template; do
  sed "s/\\\${PORT}/$PORT/g" "$one" > "/etc/nginx/conf.d/$(basename "$one" .template)"
done
exec "$@"
`
