import type { Platform } from '../model/descriptor.ts'

const ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: 'amd64',
  x86_64: 'amd64',
  'x86-64': 'amd64',
  aarch64: 'arm64',
  ia32: '386',
  i386: '386',
}

/** What this machine runs. Go's names, as the image specification asks. */
export const hostPlatform = (arch: string = process.arch): Platform => ({
  os: 'linux',
  architecture: ARCHITECTURES[arch] ?? arch,
})

/** Reads `os/architecture[/variant]`, with the usual other names of architectures; null: it is none. */
export function parsePlatform(text: string): Platform | null {
  const [os = '', arch = '', variant, ...more] = text.toLowerCase().split('/')
  if (more.length > 0 || !/^[a-z0-9_]+$/.test(os) || !/^[a-z0-9_-]+$/.test(arch)) return null
  const architecture = ARCHITECTURES[arch] ?? arch
  const known = variant === undefined || (architecture === 'arm64' && variant === 'v8')
  return known ? { os, architecture } : { os, architecture, variant }
}
