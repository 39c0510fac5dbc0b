import { readFileSync } from 'node:fs'
import { type Platform, platformText } from '../../model/descriptor.ts'
import { notSupported, type Place } from '../dockerfile/place.ts'
import { hostPlatform } from '../platform.ts'

const QEMU: Readonly<Record<string, string>> = { amd64: 'x86_64', arm64: 'aarch64', '386': 'i386' }

/** Whether this machine runs programs of a platform: its own, or by an emulator that the kernel holds open (binfmt_misc, flag F). */
export function runsHere(
  { os, architecture }: Platform,
  host: Platform = hostPlatform(),
  read: (path: string) => string = (path) => readFileSync(path, 'utf8'),
): boolean {
  if (os !== host.os) return false
  if (architecture === host.architecture || (architecture === '386' && host.architecture === 'amd64')) return true
  try {
    const text = read(`/proc/sys/fs/binfmt_misc/qemu-${QEMU[architecture] ?? architecture}`)
    // Without F the emulator would be looked up in the image, where it is not.
    return text.startsWith('enabled') && /^flags: .*F/m.test(text)
  } catch {
    return false
  }
}

/** Refuses a RUN in an image whose programs do not run here. Throws DOCKERFILE_NOT_SUPPORTED. */
export function refuseForeignRun(platform: Platform, place: Place): void {
  if (runsHere(platform)) return
  const name = platformText(platform)
  const hint = `Install an emulator that the kernel holds open (qemu-user-static with binfmt-support), or do the work in a stage FROM --platform=$BUILDPLATFORM and COPY its result.`
  throw notSupported(place, `RUN in an image for ${name} does not run on ${platformText(hostPlatform())}`, hint)
}
