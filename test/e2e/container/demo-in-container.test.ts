import { existsSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { packTar, type TarEntry } from 'modern-tar'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ContainerDaemon, whyNoDaemon } from './container-daemon.ts'

const CHECKOUT = join(import.meta.dirname, '..', '..', '..')
const LINKS = ['bin', 'sbin', 'lib', 'lib64'].filter((name) => existsSync(`/${name}`))
// The container runs this machine's own programs: /usr is mounted into it, and / holds the links that lead there.
const isMerged = LINKS.every((name) => realpathSync(`/${name}`) === `/usr/${name}`)
// Two whole demos take longer than all other tests of a folder: .ci/run asks for them, `npm test` leaves them out.
const isAsked = process.env.NARU_TEST_CONTAINER === '1'
const why = isAsked ? (whyNoDaemon ?? (isMerged ? null : 'needs a merged /usr')) : 'NARU_TEST_CONTAINER=1 runs it'
const DEMO_MS = 480_000

interface LastLine {
  readonly kind: string
  readonly held: boolean
  readonly isolation: string
  readonly receipts: readonly { readonly endState: string; readonly lost: number | null; readonly cut: number }[]
  readonly client: { readonly lost: number; readonly sent: number }
  readonly checks: readonly { readonly what: string; readonly held: boolean; readonly found: string }[]
  readonly leftovers: readonly string[]
}

describe.skipIf(why !== null)(
  `the demo in a container without privileges${why === null ? '' : ` (left out: ${why})`}`,
  () => {
    let daemon: ContainerDaemon

    beforeAll(async () => {
      daemon = await ContainerDaemon.start()
      const imported = await daemon.docker(['import', '-', 'naru-demo:1'], await rootOfLinks())
      expect(imported.code, imported.stderr).toBe(0)
    }, 90_000)

    afterAll(() => daemon.close(), 60_000)

    // Default seccomp profile, default capabilities, nothing added; a network that has only loopback; a checkout that is read-only.
    async function demo(
      user: string,
    ): Promise<{ readonly exit: number | null; readonly text: string; readonly last: LastLine }> {
      const mounts = ['/usr', CHECKOUT].flatMap((path) => ['--volume', `${path}:${path}:ro`])
      const bin = join(CHECKOUT, 'node_modules', '.bin')
      const path = `PATH=${bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`
      const container = ['run', '--rm', '--network=none', '--user', user, '--workdir', CHECKOUT, '--env', path]
      const command = [join(bin, 'node'), 'test/demo/demo.ts', '--output', 'json']
      const { code, stdout, stderr } = await daemon.docker([...container, ...mounts, 'naru-demo:1', ...command])
      const lines = stdout.trim().split('\n')
      expect(lines.at(-1), stderr).toMatch(/^\{"kind":"demo"/)
      return { exit: code, text: `${stdout}\n${stderr}`, last: JSON.parse(lines.at(-1) ?? '') as LastLine }
    }

    it.each([
      ['root', '0', 'chroot'],
      ['an ordinary user', '65534:65534', 'none'],
    ])(
      'must hold all that it says as %s, and leave nothing behind',
      async (_who, user, isolation) => {
        const { exit, text, last } = await demo(user)
        expect(
          last.checks.filter(({ held }) => !held),
          text,
        ).toEqual([])
        expect(last.leftovers).toEqual([])
        expect(last).toMatchObject({ held: true, isolation, client: { lost: 0 } })
        expect(last.receipts.map(({ endState }) => endState)).toEqual([
          'all-new',
          'all-new',
          'all-old',
          'all-new',
          'all-new',
        ])
        expect(exit).toBe(0)
      },
      DEMO_MS,
    )
  },
)

/** A root folder: links into /usr, folders to mount on, and a place to write. */
function rootOfLinks(): Promise<Uint8Array> {
  const link = (name: string): TarEntry => ({ header: { name, size: 0, type: 'symlink', linkname: `usr/${name}` } })
  const folder = (name: string): TarEntry => ({ header: { name, size: 0, type: 'directory', mode: 0o1777 } })
  return packTar([...LINKS.map(link), ...['usr', 'tmp'].map(folder)])
}
