import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { dockerfileBuilder } from '../dockerfile-builder.ts'
import { aBusyboxBuild, hasBusybox } from '../run/testing.ts'
import { cgroupsOf, processesWith } from './testing.ts'

const able = hasBusybox && process.geteuid?.() === 0
const CHILD = join(import.meta.dirname, 'testing-child.ts')

describe.skipIf(!able)('a builder that is killed in a RUN (needs root and busybox)', () => {
  it.each([['namespaces'], ['runc']])(
    'leaves no process, mount or cgroup, and its folder goes when a server begins: %s',
    async (kind) => {
      const marker = `32${process.pid}${kind.length}`
      await using build = await aBusyboxBuild({
        Dockerfile: `FROM busybox:1\nRUN echo x > /x; sleep ${marker} & sleep ${marker}\n`,
      })
      const child = spawn(process.execPath, [CHILD, build.folder, kind], { stdio: ['ignore', 'inherit', 'inherit'] })
      const ended = once(child, 'close')
      await expect.poll(() => processesWith(marker), { timeout: 25_000 }).not.toEqual([])
      child.kill('SIGKILL')
      await ended
      await expect.poll(() => processesWith(marker), { timeout: 25_000 }).toEqual([])
      const work = join(build.cacheFolder, 'sandbox', 'work')
      expect(readdirSync(work)).toHaveLength(1)
      expect(readFileSync('/proc/mounts', 'utf8')).not.toContain(build.folder)
      mkdirSync(join(build.cacheFolder, 'tmp', 'left'), { recursive: true })
      // As a server does when it begins; a next build would do the same for what RUNs left.
      await dockerfileBuilder({ cacheFolder: build.cacheFolder }).sweep()
      expect(readdirSync(work)).toEqual([])
      expect(existsSync(join(build.cacheFolder, 'tmp'))).toBe(false)
      expect(cgroupsOf(child.pid ?? 0)).toEqual([])
    },
  )
})
