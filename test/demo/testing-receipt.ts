import type { Receipt } from '../../src/model/receipt.ts'

/** A receipt of an update that went well. */
export function aReceipt(change: Partial<Receipt> = {}): Receipt {
  return {
    app: 'hello',
    environment: 'local',
    rollout: 2,
    kind: 'deploy',
    from: 1,
    to: 2,
    commit: null,
    subject: null,
    digest: 'sha256:0',
    by: 'kim',
    startedAtMs: 0,
    tookMs: 1234,
    endState: 'all-new',
    failure: null,
    requests: aMeasurement(),
    fewestAvailable: 3,
    replicas: 3,
    inFlightAtStop: 0,
    cut: 0,
    reading: 'bytes',
    router: null,
    migrate: 'none',
    settings: { added: 0, removed: 0 },
    secretsChanged: [],
    notes: [],
    back: null,
    timeline: [],
    ...change,
  }
}

type Measurement = Extract<Receipt['requests'], { kind: 'measured' }>

export function aMeasurement(change: Partial<Measurement> = {}): Measurement {
  return {
    kind: 'measured',
    url: 'http://127.0.0.1:1/',
    rate: 100,
    sent: 1500,
    answered: 1500,
    lost: 0,
    lostBy: {},
    byRevision: { 1: 700, 2: 800 },
    otherStatus: {},
    p50: { before: 1, after: 1 },
    p99: { before: 2, after: 2 },
    gaps: [],
    ...change,
  }
}
