import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { run } from '../../os/run.ts'
import { makeBaseImage } from '../base/base-image.ts'
import type { BuildRequest } from '../builder.ts'
import { finishedSteps, never, type TestBuild } from '../testing.ts'
import type { SandboxOptions } from './run-sandboxes.ts'
import { aBusyboxBuild, failure, hasBusybox } from './testing.ts'

const CURL = '/usr/bin/curl'
const OPENSSL = '/usr/bin/openssl'
const able = hasBusybox && process.geteuid?.() === 0 && [CURL, OPENSSL].every((path) => existsSync(path))
const hasRunc = ['/usr/sbin/runc', '/usr/bin/runc'].some((path) => existsSync(path))
const BUNDLE = '/etc/ssl/certs/ca-certificates.crt'
const lines = (...all: readonly string[]) => `${all.join('\n')}\n`

const KINDS: readonly (readonly [string, SandboxOptions, boolean])[] = [
  ['by namespaces', { runtimes: [] }, able],
  ['by runc', { runtimes: ['runc'] }, able && hasRunc],
]

describe.each(KINDS)(
  'a RUN %s that is given certificates (needs root, busybox, openssl, curl and the runtime)',
  (_name, options, here) => {
    const server = createServer((_, response) => void response.end('trusted'))
    let folder: string
    let pem: string
    let url: string

    beforeAll(async () => {
      if (!here) return
      folder = await mkdtemp(join(tmpdir(), 'naru-ca-'))
      const [cert, key] = [join(folder, 'ca.pem'), join(folder, 'key.pem')]
      const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
      const names = ['-subj', '/CN=naru-test', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert]
      const made = await run(OPENSSL, [...args, ...names], { env: {}, timeoutMs: 30_000, signal: never })
      if (made.code !== 0) throw new Error(made.stderr)
      pem = await readFile(cert, 'utf8')
      server.setSecureContext({ cert: pem, key: await readFile(key) })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`
    })
    afterAll(async () => {
      if (!here) return
      server.closeAllConnections()
      server.close()
      await rm(folder, { recursive: true, force: true })
    })

    /** A build with bases of this machine's curl and node. */
    const aFetchingBuild = async (dockerfile: string): Promise<TestBuild> => {
      const build = await aBusyboxBuild(
        { Dockerfile: dockerfile, 'certs/own.pem': pem, '.dockerignore': 'certs' },
        options,
      )
      for (const program of [CURL, process.execPath]) {
        const destination = { store: build.store, repository: program === CURL ? 'curl' : 'node', tags: ['1'] }
        const request = { program, path: '', name: null, destination, cacheFolder: build.cacheFolder }
        await makeBaseImage(request, () => {}, never)
      }
      return build
    }
    const caches = async (build: TestBuild, request: Partial<BuildRequest>) =>
      finishedSteps((await build.run(request)).happenings).map(({ cached }) => cached)
    const said = async (build: TestBuild, request: Partial<BuildRequest>) =>
      (await build.run(request)).happenings.flatMap((one) => (one.kind === 'log' ? one.line : []))

    it.skipIf(!here)(
      'trusts them where the distribution and where programs look, and not without',
      async () => {
        await using build = await aFetchingBuild(
          lines(
            ...['FROM curl:1', `RUN ["curl", "-sS", "${url}"]`],
            // Only what the image has in its usual place.
            ...[
              'FROM curl:1',
              'ENV SSL_CERT_FILE= CURL_CA_BUNDLE=',
              `RUN ["curl", "-sS", "--cacert", "${BUNDLE}", "${url}"]`,
            ],
            ...['FROM node:1', `RUN ["node", "-e", "fetch('${url}').then((r) => r.text()).then(console.log)"]`],
            ...[
              'FROM node:1',
              `RUN ["node", "--use-openssl-ca", "-e", "fetch('${url}').then((r) => r.text()).then(console.log)"]`,
            ],
            ...[
              'FROM scratch',
              'COPY --from=0 /tmp /0',
              'COPY --from=1 /tmp /1',
              'COPY --from=2 /tmp /2',
              'COPY --from=3 /tmp /3',
            ],
          ),
        )
        expect((await failure(build)).code).toBe('BUILD_RUN_FAILED')
        expect(await said(build, { ca: { file: 'certs/own.pem' } })).toEqual([
          'trusted',
          'trusted',
          'trusted',
          'trusted',
        ])
      },
      120_000,
    )

    it.skipIf(!here)('leaves them in no layer and no key, whatever it does with the files', async () => {
      const changed = `echo own >> ${BUNDLE} && chmod 600 ${BUNDLE} && rm -f /run/naru/x`
      await using build = await aBusyboxBuild(
        {
          Dockerfile: lines(
            'FROM busybox:1',
            'RUN mkdir -p /etc/ssl/certs && echo first > /etc/ssl/certs/ca-certificates.crt',
            `RUN grep -c BEGIN ${BUNDLE} $SSL_CERT_FILE; ${changed}`,
            // As update-ca-certificates does it.
            `RUN echo new > ${BUNDLE}.new && mv -f ${BUNDLE}.new ${BUNDLE}`,
            'RUN touch $SSL_CERT_FILE 2>/dev/null || echo read-only',
            'RUN rm -rf /etc/ssl && ln -s /etc/other /etc/ssl',
            'ENV PIP_CERT=/mine',
            'RUN echo $PIP_CERT $NODE_EXTRA_CA_CERTS',
          ),
        },
        options,
      )
      const ca = { text: `${pem}-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n` }
      const text = pem.split('\n')[1] ?? ''
      expect(await said(build, { ca })).toEqual([
        `${BUNDLE}:1`,
        '/run/naru/ca-certificates.crt:1',
        'read-only',
        '/mine /run/naru/ca-certificates.crt',
      ])
      expect(await filesWith(build.folder, text)).toEqual([])
      const { layers, files } = await build.image({ ca })
      expect(layers.flat().filter((path) => path.startsWith('run'))).toEqual([])
      expect(files['etc/ssl']).toBe('l /etc/other')
      expect(new Set(await caches(build, {}))).toEqual(new Set([true]))
      const { artifact } = await build.run()
      expect(artifact.digest).toBe((await build.run({ ca })).artifact.digest)
    })

    it.skipIf(!here)('keeps what a command adds to the bundle, without them', async () => {
      await using build = await aBusyboxBuild(
        {
          Dockerfile: lines(
            'FROM busybox:1',
            `RUN mkdir -p /etc/ssl/certs && echo first > ${BUNDLE}`,
            `RUN echo own >> ${BUNDLE} && chmod 640 ${BUNDLE}`,
          ),
        },
        options,
      )
      const { files } = await build.image({ ca: { text: pem } })
      expect(files[BUNDLE.slice(1)]).toBe('f 640 0:0 first\nown\n')
    })

    it.skipIf(!here).each([
      [{ file: 'none.pem' }, 'BUILD_COPY_SOURCE_MISSING', 'build.ca: there is no file none.pem'],
      [{ file: '../x.pem' }, 'BUILD_PATH_ESCAPES', 'leads out of the tree'],
      [{ file: 'Dockerfile' }, 'BUILD_SOURCE_INVALID', 'Dockerfile has no certificate in PEM form'],
      [
        { text: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----' },
        'BUILD_SOURCE_INVALID',
        'certificate 1 of --ca',
      ],
    ] as const)('is refused what is no certificate: %j', async (ca, code, message) => {
      await using build = await aBusyboxBuild({ Dockerfile: 'FROM busybox:1\nRUN true\n' }, options)
      expect(await failure(build, { ca })).toMatchObject({ code, message: expect.stringContaining(message) })
    })

    it.skipIf(!here || !existsSync(BUNDLE))('has what this machine trusts, where that is asked for', async () => {
      const count = (await readFile(BUNDLE, 'utf8')).match(/BEGIN CERT/g)?.length ?? 0
      await using build = await aBusyboxBuild(
        { Dockerfile: 'FROM busybox:1\nRUN grep -c "BEGIN CERT" $SSL_CERT_FILE\n' },
        options,
      )
      expect(Number((await said(build, { ca: 'system' }))[0])).toBeGreaterThanOrEqual(count)
    })
  },
)

/** Files below a folder that hold a text. */
async function filesWith(folder: string, text: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  const found = await Promise.all(
    paths.map(async (path) => ((await readFile(path, 'latin1')).includes(text) ? [path] : [])),
  )
  return found.flat()
}
