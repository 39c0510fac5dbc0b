import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { findProgram } from '../../../src/os/find-program.ts'
import { run } from '../../../src/os/run.ts'
import { aGuardedRegistry } from '../../../src/registry/access/testing.ts'
import { anImage, never } from '../../../src/registry/testing.ts'

const FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']

/** Path of a client's program; null: this machine does not have it. */
export const programAt = (name: string): string | null => findProgram(name, FOLDERS)

/** The part of a test's name that says what it needs. */
export const needs = (...programs: readonly string[]) => ({
  missing: programs.some((name) => programAt(name) === null),
  told: programs.length === 0 ? '' : `(left out without ${programs.join(', ')})`,
})

const TOOL_MS = 90_000

/**
 * A registry with an image `team/shop:1`, a robot that may push below team, and a folder as the client's home. Nobody may do
 * anything without a login.
 */
export async function aBench() {
  const registry = await aGuardedRegistry()
  const token = await registry.change.addRobot('ci', [{ repositories: 'team/**', actions: ['pull', 'push'] }], null)
  const home = join(registry.folder, 'home')
  await mkdir(join(home, 'tree'), { recursive: true })
  await writeFile(join(home, 'tree', 'hello'), 'hello')
  const env = {
    ...{ PATH: FOLDERS.join(':'), HOME: home, TMPDIR: '/tmp', XDG_RUNTIME_DIR: home },
    ...{ DOCKER_CONFIG: join(home, '.docker'), REGISTRY_AUTH_FILE: join(home, 'auth.json') },
  }
  /** Runs a program to its end; answers how it ended. */
  const attempt = (program: string, args: readonly string[], input = '') =>
    run(program, args, { env, cwd: home, input, timeoutMs: TOOL_MS, signal: never })
  /** Runs a program that must do what it is told. Answers what it wrote to stdout. */
  const must = async (program: string, args: readonly string[], input = '') => {
    const { code, stdout, stderr } = await attempt(program, args, input)
    expect(code, `${program} ${args.join(' ')}\n${stdout}\n${stderr}`).toBe(0)
    return stdout
  }
  // Some clients want a file of logins to be there before they make one.
  await writeFile(env.REGISTRY_AUTH_FILE, '{}')
  await must('tar', ['-cf', 'layer.tar', '-C', 'tree', '.'])
  const layer = await readFile(join(home, 'layer.tar'))
  const image = await anImage(registry.store, 'team/shop', { tags: ['1'], layers: [layer] })
  return {
    ...registry,
    token,
    home,
    env,
    image,
    layer,
    attempt,
    must,
    /** The digest under a tag, as the registry has it. */
    digestOf: async (repository: string, tag: string) =>
      (await registry.store.readManifest(repository, tag, never))?.descriptor.digest ?? null,
    [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose](),
  }
}

export type Bench = Awaited<ReturnType<typeof aBench>>
