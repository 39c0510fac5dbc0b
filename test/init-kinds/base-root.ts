import { existsSync } from 'node:fs'
import { chmod, cp, mkdir, realpath, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { call } from '../peers/call.ts'

export const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt'

/** What each Debian has for programs that packages bring. */
const LIBRARIES = [
  'libdl.so.2',
  'libgcc_s.so.1',
  'libm.so.6',
  'libpthread.so.0',
  'librt.so.1',
  'libstdc++.so.6',
  'libutil.so.1',
]
const SYSTEM = `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`

/** The root file system of a base image, made of this machine's programs: a busybox, a bash, certificates. */
export async function makeRoot(root: string): Promise<void> {
  for (const folder of ['bin', 'etc/ssl/certs', 'usr/bin', 'lib64', 'home', 'root', 'tmp'])
    await mkdir(join(root, folder), { recursive: true })
  await copyProgram(root, '/bin/busybox', '/bin/busybox')
  for (const name of (await call('busybox', ['--list'])).trim().split('\n')) {
    if (name !== 'busybox') await symlink('/bin/busybox', join(root, 'bin', name)).catch(() => {})
  }
  await symlink('/bin/busybox', join(root, 'usr/bin/env'))
  await copyProgram(root, '/bin/bash', '/usr/bin/bash')
  for (const name of LIBRARIES) await copyProgram(root, join(SYSTEM, name), join(SYSTEM, name))
  await writeFile(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n')
  await writeFile(join(root, 'etc/group'), 'root:x:0:\n')
  if (existsSync(CERTIFICATES)) await cp(CERTIFICATES, join(root, CERTIFICATES), { dereference: true })
}

/** Copies a program to a place in the root, and the libraries that it needs to where its loader looks for them. */
export async function copyProgram(root: string, program: string, to: string): Promise<void> {
  await mkdir(dirname(join(root, to)), { recursive: true })
  await cp(await realpath(program), join(root, to))
  await chmod(join(root, to), 0o755)
  await copyLibraries(root, [program])
}

/** The libraries that programs or libraries of this machine need, at the same paths. */
export async function copyLibraries(root: string, programs: readonly string[]): Promise<void> {
  if (programs.length === 0) return
  // A static program makes ldd fail: it needs nothing.
  const listed = await call('ldd', [...programs]).catch(() => '')
  const paths = new Set([...listed.matchAll(/(?:=>\s+|^\s+)(\/\S+) \(0x/gm)].map(([, path]) => path ?? ''))
  for (const path of paths) {
    if (existsSync(join(root, path))) continue
    await mkdir(dirname(join(root, path)), { recursive: true })
    await cp(await realpath(path), join(root, path))
  }
}

/** Copies a folder with what its links lead to, without some of it. */
export async function copyFolder(from: string, to: string, without: readonly string[] = []): Promise<void> {
  await mkdir(to, { recursive: true })
  const archive = `${to}.tar`
  await call('tar', ['-chf', archive, ...without.map((pattern) => `--exclude=${pattern}`), '-C', from, '.'], {
    timeoutMs: 120_000,
  })
  await call('tar', ['-xf', archive, '-C', to], { timeoutMs: 120_000 })
  await call('rm', ['--', archive])
}
