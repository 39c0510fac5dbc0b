import type { IncomingMessage } from 'node:http'
import { type Binding, internalHandles } from '../../os/internal-handles.ts'
import type { Inflow } from './inflow.ts'
import { requestBody, streamBody } from './request-body.ts'
import { tryOut } from './try-out.ts'

/** `handles`: Node's own, where they are as they should be; `streams`: the public API, whatever is there. */
export type BodiesAsked = 'handles' | 'streams'

/** The body of a request, to be asked for while Node tells of the request. */
export type BodyOf = (request: IncomingMessage) => Inflow

/** How a server gets the bodies of its requests: from handles where their shape is known and bodies came over them (tried when the first large one is wanted), else as streams; `note` is told why. */
export function chooseBodies(asked: BodiesAsked, note: (message: string) => void, binding?: Binding): BodyOf {
  if (asked === 'streams') return streamBody
  const tell = (wrong: string) =>
    note(`uploads go by streams: right, and slower (Node ${process.versions.node}: ${wrong})`)
  const found = internalHandles(binding)
  if (typeof found === 'string') {
    tell(found)
    return streamBody
  }
  let trial: Promise<boolean> | null = null
  const works = () => {
    trial ??= tryOut(found).then((wrong) => {
      if (wrong !== null) tell(wrong)
      return wrong === null
    })
    return trial
  }
  return (request) => requestBody(request, found, works)
}
