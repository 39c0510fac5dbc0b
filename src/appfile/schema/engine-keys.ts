import { z } from 'zod'
import { absolutePath, command, hostName, port, text, urlPath, whole, word } from './values.ts'

/** The engines that naru.yaml knows; which of them are there is another question (`refuseOtherEngine`). */
export const ENGINE_KINDS = ['embedded', 'docker', 'kubernetes', 'tomcat'] as const
/** One of them. */
export type EngineKind = (typeof ENGINE_KINDS)[number]

const address = word('an address such as 10.0.1.2:9999')
const host = z.union(
  [
    word('a host such as ssh://deploy@10.0.0.5'),
    z.strictObject({
      ssh: word('a host such as deploy@10.0.0.5'),
      port: port.optional(),
      tomcats: z.array(absolutePath).min(1).optional().describe('Folders of the Tomcats on this host'),
    }),
  ],
  { error: 'a host such as ssh://deploy@10.0.0.5, or { ssh, tomcats }' },
)

const tomcat = z.strictObject({
  context: urlPath.optional().describe('Context path, such as /shop'),
  mode: z.enum(['parallel', 'rolling'], { error: 'parallel or rolling' }).optional(),
  sessionSeconds: whole(0, 604_800, 'whole seconds').optional().describe('How long sessions stay on the old version'),
})

const router = z
  .strictObject({
    haproxy: address.optional().describe('Runtime address of HAProxy'),
    healthFile: absolutePath.optional().describe('A file that the switch asks for'),
    mod_jk: z.union([text('an address'), z.strictObject({ url: text('a URL'), worker: text('a name') })]).optional(),
    hooks: z.strictObject({ withdraw: command, restore: command }).optional().describe('Programs that tell the switch'),
  })
  .describe('What sends traffic to the hosts')

/** Where an environment is. Which engine takes which key is the table ENGINE_OF_KEY. */
export const engineKeys = {
  engine: z
    .enum(ENGINE_KINDS, { error: `one of ${ENGINE_KINDS.join(', ')}` })
    .optional()
    .describe('What runs the replicas; default embedded'),
  hosts: z
    .array(host, { error: 'a list of hosts' })
    .min(1, { error: 'a list of hosts' })
    .optional()
    .describe('Machines of the engines docker and tomcat'),
  context: word('the name of a kubectl context').optional().describe('Context of the kubeconfig'),
  cluster: text('a URL')
    .regex(/^https?:\/\/[^\s@]+$/, { error: 'a URL' })
    .optional()
    .describe('Refused when the context leads elsewhere'),
  namespace: hostName.optional().describe('Namespace of the cluster'),
  tomcat: tomcat.optional().describe('How a version is put into a Tomcat'),
  router: router.optional(),
}

/** The engines that take a key; a key that is not here is for all. */
export const ENGINE_OF_KEY: Readonly<Record<string, readonly EngineKind[]>> = {
  hosts: ['docker', 'tomcat'],
  context: ['kubernetes'],
  cluster: ['kubernetes'],
  namespace: ['kubernetes'],
  tomcat: ['tomcat'],
  router: ['docker', 'tomcat'],
}
