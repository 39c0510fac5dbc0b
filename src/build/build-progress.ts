import type { Report } from '../model/event.ts'
import type { Instruction } from './dockerfile/instruction.ts'
import type { Stage } from './dockerfile/stages.ts'
import type { Record } from './evaluate-stage.ts'

/** Tells each instruction of the needed stages once, those of the target as their layers arrive. */
export class BuildProgress {
  readonly #report: Report
  readonly #numbered = new Map<Instruction, { readonly stage: string; readonly step: number }>()
  readonly #startedMs = performance.now()
  readonly #ran = new Set<Instruction>()
  readonly #done = new Map<Instruction, { readonly layers: number; readonly cached: boolean }>()
  #layers: readonly Instruction[] = []

  constructor(stages: readonly Stage[], report: Report) {
    this.#report = report
    for (const { from, index, instructions } of stages) {
      const stage = from.name ?? String(index)
      for (const instruction of instructions) this.#numbered.set(instruction, { stage, step: this.#numbered.size + 1 })
    }
  }

  /** All stages are decided: what makes no layer of the target is done. */
  evaluated(records: readonly Record[]): void {
    this.#layers = records.flatMap(({ instruction, layer }) => (layer === null ? [] : instruction))
    const later = new Set(this.#layers)
    for (const instruction of this.#numbered.keys()) {
      if (!later.has(instruction) && !this.#ran.has(instruction)) this.#tell(instruction, true)
    }
  }

  /** The layer of that index of the target is packed, or was found. */
  layerDone(index: number, cached: boolean): void {
    const instruction = this.#layers[index]
    if (instruction === undefined || this.#ran.has(instruction)) return
    // One that makes several layers is told with the last of them.
    const done = this.#done.get(instruction) ?? { layers: 0, cached: true }
    const now = { layers: done.layers + 1, cached: done.cached && cached }
    this.#done.set(instruction, now)
    const all = this.#layers.filter((one) => one === instruction).length
    if (now.layers === all) this.#tell(instruction, now.cached)
  }

  /** A RUN has ended, or was found in the cache: told at once, with its own time. */
  ran(instruction: Instruction, cached: boolean, tookMs: number): void {
    this.#ran.add(instruction)
    this.#tell(instruction, cached, tookMs)
  }

  #tell(instruction: Instruction, cached: boolean, tookMs = performance.now() - this.#startedMs): void {
    const numbered = this.#numbered.get(instruction)
    if (numbered === undefined) return
    this.#report({
      kind: 'build',
      ...numbered,
      steps: this.#numbered.size,
      instruction: instruction.text,
      cached,
      tookMs: Math.round(tookMs),
    })
  }
}
