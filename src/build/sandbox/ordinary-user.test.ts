import { chownSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { run } from '../../os/run.ts'
import { hasBusybox } from '../run/testing.ts'
import { describeSandbox } from './sandbox.contract.ts'
import { hasSubordinateIds } from './subordinate-ids.ts'
import type { Outcome, Trial } from './testing.ts'

const unable = !hasBusybox
  ? 'needs busybox'
  : process.geteuid?.() === 0
    ? null
    : 'needs root, to become an ordinary user with subordinate ids'
const NOBODY = 65_534
const CHILD = join(import.meta.dirname, 'testing-user.ts')

/** Builds as nobody, in a mount namespace whose /etc/subuid and /etc/subgid say what is given. */
async function asNobody(trial: Trial, table = 'nobody:300000:65536'): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), 'naru-run-user-'))
  try {
    chownSync(folder, NOBODY, NOBODY)
    const args = ['--mount', '--', process.execPath, CHILD, folder, table, JSON.stringify(trial)]
    const { stdout, stderr } = await run('unshare', args, {
      env: { PATH: process.env.PATH ?? '' },
      cwd: '/',
      timeoutMs: 120_000,
      signal: new AbortController().signal,
    })
    expect(stdout, stderr).toMatch(/^\{/)
    return JSON.parse(stdout) as Outcome
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

describeSandbox('user namespaces of an ordinary user', {
  ...{ missing: unable, limitsMemory: false, filters: false },
  attempt: (trial) => asNobody(trial),
})

describe.skipIf(unable !== null)('RUN of an ordinary user (needs root to become one, and busybox)', () => {
  it('keeps what other users of the image own for later stages, and trusts certificates', async () => {
    const { files, failed } = await asNobody({
      lines: [
        'RUN mkdir /d && echo own > /d/own && chmod 600 /d/own && chown 1000:1001 /d/own && chmod 700 /d',
        'FROM busybox:1',
        'COPY --from=0 /d/own /copied',
        // Certificates for this RUN only: what it adds to the bundle stays, they do not.
        'RUN test -s $SSL_CERT_FILE && echo own >> /etc/ssl/certs/ca-certificates.crt',
      ],
      request: { ca: { text: rootCertificates[0] ?? '' } },
    })
    expect(failed).toBeNull()
    expect(files.copied).toBe('f 600 1000:1001 own\n')
    expect(files['etc/ssl/certs/ca-certificates.crt']).toBe('f 644 0:0 own\n')
  })

  it('is refused without subordinate ids, and told how to get them', async () => {
    const { failed } = await asNobody({ lines: ['RUN true'] }, '')
    expect(failed).toMatchObject({
      code: 'ISOLATION_UNAVAILABLE',
      message: expect.stringContaining('/etc/subuid has no 65535 ids for nobody'),
      hint: expect.stringContaining('usermod --add-subuids'),
    })
  })
})

describe('hasSubordinateIds', () => {
  it.each([
    ['kim:100000:65536', true],
    ['1000:100000:65535', true],
    ['kim:100000:65534', false],
    ['lee:100000:65536', false],
    ['kim:x:65536', false],
    ['', false],
  ])('%j: %s', (table, expected) => {
    expect(hasSubordinateIds(`a:1:2\n${table}\n`, { name: 'kim', uid: 1000 })).toBe(expected)
  })
})
