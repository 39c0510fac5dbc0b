/** The files of one prober, beside its ledger. */
export const proberFiles = (ledger: string) => ({
  ledger,
  /** Its ProcessIdentity; whoever makes this file first is the prober of the ledger. */
  identity: `${ledger}.pid`,
  /** The ProcessIdentity of the server that wants it; a prober whose server stays away ends by itself. */
  owner: `${ledger}.owner`,
  /** Which revision served which request: `<atMs> <port> <revision>` lines, written by the server as it learns them. */
  served: `${ledger}.served`,
})
