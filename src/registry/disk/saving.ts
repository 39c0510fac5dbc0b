import { diskFull } from '../../model/disk-full.ts'

/** The result, or DISK_FULL when that is why it failed. */
export async function saving<T>(doing: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (failed) {
    throw diskFull(failed, doing)
  }
}
