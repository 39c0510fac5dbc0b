/** How long an entry counts: a prober asks soon after its answer, and a port may be used again. */
const KEPT_MS = 60_000
const PORTS = 65_536

/**
 * Which revision served the connections of clients on this machine, by their source port: the newest one of each port, for one address.
 * Takes 768 KB, made at its first connection.
 */
export class ServedPorts {
  #revisions: Int32Array | null = null
  #atMs: Float64Array | null = null

  note(port: number, revision: number, nowMs: number): void {
    this.#revisions ??= new Int32Array(PORTS)
    this.#atMs ??= new Float64Array(PORTS)
    this.#revisions[port] = revision
    this.#atMs[port] = nowMs
  }

  /** null: not known, or too long ago to be sure. */
  revision(port: number, nowMs: number): number | null {
    const revision = this.#revisions?.[port] ?? 0
    return revision > 0 && nowMs - (this.#atMs?.[port] ?? 0) < KEPT_MS ? revision : null
  }
}
