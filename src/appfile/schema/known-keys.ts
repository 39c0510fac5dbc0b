import { z } from 'zod'
import type { Path } from '../tree/placed-tree.ts'

/** The keys that may stand in the map at a path, from the schema itself, so that no list of them can grow old. */
export function knownKeys(schema: z.core.$ZodType, path: Path): readonly string[] {
  let level: readonly z.core.$ZodType[] = [schema]
  for (const part of path) level = level.flatMap(bare).flatMap((inner) => stepInto(inner, part))
  return [
    ...new Set(level.flatMap(bare).flatMap((inner) => (inner instanceof z.ZodObject ? Object.keys(inner.shape) : []))),
  ]
}

/** Without `optional`, and each branch of a union. */
function bare(schema: z.core.$ZodType): readonly z.core.$ZodType[] {
  if (schema instanceof z.ZodOptional) return bare(schema.unwrap())
  if (schema instanceof z.ZodUnion) return schema.options.flatMap(bare)
  return [schema]
}

function stepInto(schema: z.core.$ZodType, part: string | number): readonly z.core.$ZodType[] {
  if (schema instanceof z.ZodObject) {
    const shape: Readonly<Record<string, z.core.$ZodType>> = schema.shape
    const inner = Object.hasOwn(shape, part) ? shape[part] : undefined
    return inner === undefined ? [] : [inner]
  }
  if (schema instanceof z.ZodRecord) return [schema.valueType]
  if (schema instanceof z.ZodArray) return [schema.element]
  return []
}
