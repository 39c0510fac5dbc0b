import type { DoctorLine } from '../cli/host.ts'

/** What this machine has and lacks, each with its fix. */
export async function* doctor(folder: string, signal: AbortSignal): AsyncGenerator<DoctorLine> {
  void signal
  yield { check: 'data folder', state: 'ok', found: folder, fix: null }
}
