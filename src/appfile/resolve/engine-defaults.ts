import type { EngineKind } from '../schema/engine-keys.ts'

/** What naru.yaml leaves to the engine when it says nothing (design.md section 3, "Defaults"). */
interface EngineDefaults {
  readonly minReadySeconds: number
  /** 0 behind an L4 router, 30 behind an L7 one. */
  readonly drainSeconds: number
  /** Whether the role `web` is published on 127.0.0.1 where no route is written. */
  readonly publishesWeb: boolean
}

export const ENGINE_DEFAULTS: Readonly<Record<EngineKind, EngineDefaults>> = {
  embedded: { minReadySeconds: 0, drainSeconds: 0, publishesWeb: true },
  docker: { minReadySeconds: 0, drainSeconds: 30, publishesWeb: false },
  kubernetes: { minReadySeconds: 5, drainSeconds: 30, publishesWeb: false },
  tomcat: { minReadySeconds: 0, drainSeconds: 0, publishesWeb: false },
}
