// Started as root in a mount namespace of its own by ordinary-user.test.ts: FOLDER TABLE. Becomes nobody, builds, and prints
// what the RUNs left as JSON, or the failure.
import { execFileSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { DeployError } from '../../model/failure.ts'

const [folder = '', table = ''] = process.argv.slice(2)
writeFileSync(join(folder, 'table'), `${table}\n`)
for (const path of ['/etc/subuid', '/etc/subgid']) execFileSync('mount', ['--bind', join(folder, 'table'), path])
process.setgroups?.([])
process.setgid?.(65_534)
process.setuid?.(65_534)
process.env.TMPDIR = folder
process.env.HOME = folder

const { aBusyboxBuild } = await import('../run/testing.ts')
await using build = await aBusyboxBuild({
  Dockerfile: [
    'FROM busybox:1 AS one',
    'RUN mkdir /d && echo own > /d/own && touch /d/set && chmod 4755 /d/set && chmod 600 /d/own && rm /old/a',
    'RUN chown 1000:1001 /d/own && chown 1000:2000 /d && chmod 700 /d && id -u > /id && stat -c %u /d/own >> /id',
    'FROM one',
    'COPY --from=one /d/own /copied',
    // Certificates for this RUN only: what it adds to the bundle stays, they do not.
    'RUN test -s $SSL_CERT_FILE && echo own >> /etc/ssl/certs/ca-certificates.crt',
  ].join('\n'),
})
try {
  const { files } = await build.image({ ca: { text: rootCertificates[0] ?? '' } })
  const mine = Object.entries(files).filter(
    ([path]) => !/^(bin|etc\/(?!ssl\/certs\/)|etc$|tmp|root|old\/b)/.test(path) && path !== 'old/a',
  )
  const left = readdirSync(join(build.cacheFolder, 'sandbox', 'work'))
  process.stdout.write(JSON.stringify({ files: Object.fromEntries(mine), left }))
} catch (failed) {
  if (!(failed instanceof DeployError)) throw failed
  process.stdout.write(`${failed.code} ${failed.message} ${failed.hint}`)
}
