import type { LayerCompression } from './descriptor.ts'

/** One environment of one app: what a lease, a history and a rollout belong to. */
export interface Scope {
  readonly app: string
  readonly environment: string
}

/** `shop/prod`, for messages, paths and keys. Both parts are checked names, so the slash is unambiguous. */
export const scopeName = ({ app, environment }: Scope): string => `${app}/${environment}`

/** How to learn whether a replica is ready. One check is one attempt; who asks decides how often. */
export type HealthCheck =
  | {
      readonly kind: 'http'
      readonly path: string
      /** Default: the role's port. */
      readonly port: number | null
      /** The Host header; default: the first route's, else the address. */
      readonly host: string | null
      /** Status codes that mean ready; default 200–299. */
      readonly expect: readonly number[] | null
    }
  | { readonly kind: 'tcp'; readonly port: number | null }
  | { readonly kind: 'run'; readonly command: readonly string[] }

/** What a replica may use. Bytes and millicores; null: no limit or no request. */
export interface Resources {
  readonly cpuRequestMilli: number | null
  readonly cpuLimitMilli: number | null
  readonly memoryRequestBytes: number | null
  readonly memoryLimitBytes: number | null
}

/** One kind of process of an app. */
export interface Role {
  readonly name: string
  /** Arguments in place of the image's CMD; null: the image's own. */
  readonly run: readonly string[] | null
  /** Where the program listens. null: no port. 'image': the image's EXPOSE, else 8080 (settled when the image is known). */
  readonly port: number | 'image' | null
  readonly replicas: number
  readonly env: Readonly<Record<string, string>>
  readonly resources: Resources
  /** 'image': the image's HEALTHCHECK, else a connect to the port. A role without a port keeps it: ready when it runs. */
  readonly readiness: HealthCheck | 'image'
  /** Seconds a replica may take to become ready for the first time. */
  readonly startupSeconds: number
  readonly terminationGracePeriodSeconds: number
}

/** What a client calls, and the role that answers. */
export interface Route {
  readonly role: string
  /** The published address on an L4 router. Port 'role': the role's own port, known with the image. */
  readonly listen: { readonly host: string; readonly port: number | 'role' }
  readonly host: string | null
  readonly path: string
  readonly tls: string | null
}

/** How replicas are replaced (Kubernetes' names). */
export type Strategy = 'RollingUpdate' | 'Recreate' | 'Canary' | 'BlueGreen'

/** The limits of a rollout as written: absolute numbers or percentages, resolved per role by the planner. */
export interface RolloutSettings {
  readonly strategy: Strategy
  readonly maxSurge: number | `${number}%`
  readonly maxUnavailable: number | `${number}%`
  readonly minReadySeconds: number
  readonly progressDeadlineSeconds: number
  readonly terminationGracePeriodSeconds: number
  readonly drainSeconds: number
  readonly revisionHistoryLimit: number
  readonly onFailure: 'rollback' | 'hold' | 'continue'
  /** How often a new replica may exit before that is the first cause. */
  readonly startRetries: number
}

/** A secret by name and how it reaches the program. Its value is never here. */
export interface SecretUse {
  readonly name: string
  /** Absolute path inside the replica; null: an environment variable of that name. */
  readonly file: string | null
}

/** How the code becomes an image: `build` of naru.yaml. */
export interface BuildSettings {
  /** A folder of the repository, from its root (`.`), whatever folder naru.yaml stands in. */
  readonly context: string
  /** From the repository's root, as `context`. */
  readonly dockerfile: string
  readonly target: string | null
  readonly args: Readonly<Record<string, string>>
  readonly secrets: readonly string[]
  /** Names for FROM and --from → a folder from the repository's root, `docker-image://NAME` or a git URL. */
  readonly contexts: Readonly<Record<string, string>>
  /** Host command, run in the clean work tree before the image. */
  readonly run: readonly string[] | null
  /** Names of the caller's environment that `run` may see besides PATH, HOME, LANG and TZ. */
  readonly runEnv: readonly string[]
  readonly artifact: string | null
  readonly compression: LayerCompression
  /** Zip files of the tree → new folders that they are unpacked to before the image; both from the repository's root. */
  readonly unpack: Readonly<Record<string, string>>
  /** What one RUN may take; null: not limited (the time: an hour). */
  readonly runLimits: {
    readonly memoryBytes: number | null
    readonly cpuMilli: number | null
    readonly timeoutMs: number | null
  }
  /** Certificates that RUN trusts: `system` or a file from the repository's root; null: those of the image alone. */
  readonly ca: string | null
  /** Whether COPY's layers are split by how often their files change. */
  readonly split: 'java' | null
  /** What the image is for, such as `linux/arm64`; several make an index. Empty: the server's machine. */
  readonly platforms: readonly string[]
  /** Who builds the image. */
  readonly with: 'naru' | 'buildkit' | 'docker' | 'buildah' | 'auto'
  readonly watch: readonly string[]
}

/** Where the code comes from: `source` of naru.yaml. */
export interface SourceSettings {
  readonly kind: 'git'
  /** URL or path; null: the repository in which the file stands. */
  readonly url: string | null
  readonly ref: string | null
  /** Folder of the repository that holds the app; '' is its root. */
  readonly folder: string
  readonly submodules: boolean
}

/** Where the engine of an environment is and what it needs to know; what an engine does not use is null. */
export interface EngineSettings {
  readonly kind: 'embedded' | 'docker' | 'kubernetes' | 'tomcat'
}

/** An app in one environment, resolved: every default filled in, every variable replaced. What a release fixes. */
export interface App extends Scope {
  readonly engine: EngineSettings
  readonly source: SourceSettings
  /** null: nothing is built, `image` is run as it is. */
  readonly build: BuildSettings | null
  /** With a build: where the result goes (null: the embedded registry). Without: what is run. */
  readonly image: string | null
  readonly migrate: { readonly run: readonly string[]; readonly timeoutSeconds: number } | null
  readonly env: Readonly<Record<string, string>>
  readonly secrets: readonly SecretUse[]
  readonly roles: readonly Role[]
  readonly routes: readonly Route[]
  readonly rollout: RolloutSettings
  /** Requests a second through the real route while it rolls; null: not measured. path null: the readiness path, else /. */
  readonly receipt: { readonly path: string | null; readonly rate: number } | null
}
