import type { Record } from '../evaluate-stage.ts'
import type { FileEntry } from '../image/file-entry.ts'
import { AddedLayer } from '../image/layer.ts'
import { splitLayer } from './split-layer.ts'

/** The instructions with what COPY and ADD put into the image split by how often it changes; one record for each part. */
export async function splitRecords(
  records: readonly Record[],
  read: (entry: FileEntry) => Promise<string>,
): Promise<readonly Record[]> {
  const split: Record[] = []
  for (const record of records) {
    const { kind } = record.instruction
    if (record.layer === null || (kind !== 'copy' && kind !== 'add')) split.push(record)
    else
      for (const { name, added } of await splitLayer(await record.layer.entries(), read))
        split.push({ ...record, layer: new AddedLayer(added), part: name })
  }
  return split
}
