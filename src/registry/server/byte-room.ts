/** How many bytes may be in memory at a time for all requests together. */
export class ByteRoom {
  readonly #most: number
  #taken = 0

  constructor(most: number) {
    this.#most = most
  }

  /** A share of it for one request; end it when its bytes are not needed any more. */
  share(): ByteShare {
    let mine = 0
    return {
      take: (bytes) => {
        if (this.#taken + bytes > this.#most) return false
        this.#taken += bytes
        mine += bytes
        return true
      },
      [Symbol.dispose]: () => {
        this.#taken -= mine
        mine = 0
      },
    }
  }
}

/** What one request has of the room. */
export interface ByteShare extends Disposable {
  /** False: there is no room for so many more, and none were taken. */
  take(bytes: number): boolean
}
