import { invalidLayer } from './invalid-layer.ts'

/** A path of a tar entry as the names on its way from the root; [] is the root itself. What leads upward is refused, not cleaned (A6). */
export function splitTarPath(path: string, depth: number): string[] {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.')
  const shown = JSON.stringify(path.slice(0, 200))
  if (parts.includes('..')) throw invalidLayer(`the path ${shown} leaves the image`)
  if (path.includes('\0')) throw invalidLayer(`the path ${shown} has a NUL in it`)
  if (parts.length > depth) throw invalidLayer(`the path ${shown} has more than ${depth} names`)
  if (parts.some((part) => Buffer.byteLength(part) > 255))
    throw invalidLayer(`the path ${shown} has a name of more than 255 bytes`)
  return parts
}
