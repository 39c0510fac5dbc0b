import type { ObjectCall, ObjectHeader, ObjectReader } from './object-reader.ts'

/** An object with all its bytes. */
export interface ReadObject {
  readonly kind: Exclude<ObjectHeader['kind'], 'missing'>
  readonly bytes: Buffer
}

/** Objects with all their bytes; what the repository does not have is not among them. */
export async function readObjects(
  reader: ObjectReader,
  ids: readonly string[],
  call: ObjectCall,
): Promise<ReadonlyMap<string, ReadObject>> {
  const parts = new Map<string, { readonly kind: ReadObject['kind']; readonly held: Uint8Array[] }>()
  const take = (id: string, { kind }: ObjectHeader) => {
    const held: Uint8Array[] = []
    if (kind !== 'missing') parts.set(id, { kind, held })
    return (part: Uint8Array) => held.push(part)
  }
  await reader.read(ids, take, call)
  return new Map([...parts].map(([id, { kind, held }]) => [id, { kind, bytes: Buffer.concat(held) }]))
}
