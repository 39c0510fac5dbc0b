import type { Inflow, Sink } from '../body/inflow.ts'
import { Piece } from './piece.ts'

/** What is done with bytes as they come. */
interface Taking {
  /** Called with all bytes, in order; what it throws ends the taking. */
  readonly each: (bytes: Uint8Array) => void
  /** Puts bytes where they belong, one call at a time; they are overwritten when it has resolved. */
  readonly write: (piece: Uint8Array) => Promise<void>
}

/**
 * Takes all of an inflow with one piece of memory, whatever its length. Rejects when the inflow fails or breaks off, after what came
 * before was written.
 */
export async function takeBytes(source: Inflow, { each, write }: Taking): Promise<void> {
  const piece = new Piece(write)
  const sink: Sink = {
    get space() {
      return piece.space
    },
    get isBusy() {
      return piece.isWriting
    },
    took: (bytes) => {
      each(piece.space.subarray(0, bytes))
      piece.fill(bytes)
    },
    settled: () => piece.settled(),
  }
  try {
    await source.into(sink)
  } finally {
    await piece.flush()
    piece.release()
  }
}
