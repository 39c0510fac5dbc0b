import type { Report } from '../model/event.ts'
import type { Instruction } from './dockerfile/instruction.ts'
import type { Stage } from './dockerfile/stages.ts'
import type { Record } from './evaluate-stage.ts'
import type { RunTelling } from './run/run-steps.ts'

/** Numbers of steps, for all images of one build. */
export class StepNumbers {
  #last = 0

  next(): number {
    this.#last++
    return this.#last
  }
}

/** What makes files, and so is a step of its stage; an image that the stage stands on is the first one (BuildKit's rule). */
const STEPS: ReadonlySet<Instruction['kind']> = new Set(['add', 'copy', 'run', 'workdir'])

interface Step {
  readonly instruction: Instruction
  readonly stage: string
  readonly step: number
  readonly steps: number
  state: 'known' | 'begun' | 'evaluated' | 'ended'
  number: number
  /** Found in the cache. */
  cached: boolean
  tookMs: number
}

/**
 * Tells the steps of the needed stages: when they begin, and how they end. Those that place files are only decided in their
 * turn; how they end is known with a RUN above them, or with their layer.
 */
export class BuildProgress {
  readonly #report: Report
  readonly #numbers: StepNumbers
  readonly #hasStages: boolean
  readonly #steps = new Map<Instruction, Step>()
  readonly #packed = new Map<Step, { readonly layers: number; readonly cached: boolean }>()
  #layers: readonly (Step | null)[] = []

  /** `hasStages`: the Dockerfile has several, so that one without a name is told by its index. */
  constructor(hasStages: boolean, numbers: StepNumbers, report: Report) {
    this.#report = report
    this.#numbers = numbers
    this.#hasStages = hasStages
  }

  /** A stage is about to be evaluated; `onImage`: it stands on an image, with that image's triggers among its instructions. */
  enter({ from, index }: Stage, onImage: boolean, instructions: readonly Instruction[]): void {
    const stage = from.name ?? (this.#hasStages ? `stage-${index}` : '')
    const counted = instructions.filter(({ kind }) => STEPS.has(kind))
    const before = onImage ? 1 : 0
    const steps = counted.length + before
    for (const [at, instruction] of counted.entries()) {
      const place = { stage, step: at + 1 + before, steps }
      this.#steps.set(instruction, { instruction, ...place, state: 'known', number: 0, cached: false, tookMs: 0 })
    }
  }

  /** Around the evaluation of an instruction. */
  async during<Value>(instruction: Instruction, signal: AbortSignal, evaluate: () => Promise<Value>): Promise<Value> {
    const step = this.#steps.get(instruction)
    if (step === undefined) return evaluate()
    const beganMs = performance.now()
    step.state = 'begun'
    step.number = this.#numbers.next()
    this.#tell(step, 'started')
    try {
      const value = await evaluate()
      step.tookMs = performance.now() - beganMs
      step.state = 'evaluated'
      if (instruction.kind === 'run') this.#end(step, step.cached)
      return value
    } catch (failed) {
      step.tookMs = performance.now() - beganMs
      this.#tell(step, signal.aborted ? 'canceled' : 'failed')
      throw failed
    }
  }

  /** What a RUN tells of itself. That its result is there shows that what its stage copied before was there as well. */
  ofRun(instruction: Instruction): RunTelling {
    const step = this.#steps.get(instruction)
    const beganMs = performance.now()
    const settle = (cached: boolean) => {
      if (step === undefined) return
      step.cached = cached
      for (const other of this.#steps.values()) {
        if (other.stage === step.stage && other.state === 'evaluated') this.#end(other, cached)
      }
    }
    return {
      found: () => settle(true),
      missed: () => settle(false),
      line: (line) => {
        const of =
          step === undefined ? {} : { step: { number: step.number, afterMs: Math.round(performance.now() - beganMs) } }
        this.#report({ kind: 'log', from: `RUN line ${instruction.place.line}`, line, ...of })
      },
    }
  }

  /** All stages are decided: what makes no layer of the target is done. */
  evaluated(records: readonly Record[]): void {
    this.#layers = records.flatMap(({ instruction, layer }) =>
      layer === null ? [] : [this.#steps.get(instruction) ?? null],
    )
    for (const step of this.#steps.values()) {
      if (step.state === 'evaluated' && !this.#layers.includes(step)) this.#end(step, false)
    }
  }

  /** The layer of that index of the target is packed, or was found. */
  layerDone(index: number, cached: boolean, tookMs: number): void {
    const step = this.#layers[index] ?? null
    if (step === null || step.state === 'ended') return
    step.tookMs += tookMs
    // One that makes several layers is told with the last of them.
    const before = this.#packed.get(step) ?? { layers: 0, cached: true }
    const now = { layers: before.layers + 1, cached: before.cached && cached }
    this.#packed.set(step, now)
    if (now.layers === this.#layers.filter((one) => one === step).length) this.#end(step, now.cached)
  }

  #end(step: Step, cached: boolean): void {
    step.state = 'ended'
    step.cached = cached
    this.#tell(step, 'finished')
  }

  #tell(
    { instruction, stage, step, steps, number, cached, tookMs }: Step,
    state: 'started' | 'finished' | 'failed' | 'canceled',
  ): void {
    const frame = { kind: 'build', state, number, stage, step, steps } as const
    this.#report({ ...frame, instruction: instruction.text, cached, tookMs: Math.round(tookMs) })
  }
}
