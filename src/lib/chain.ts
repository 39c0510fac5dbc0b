/** A place in a chain; or the chain's own, which closes the ring before the first and after the last one. */
class Place {
  before: Place = this
  after: Place = this

  /** Takes it out of the chain that it is in. Twice: no effect. */
  remove(): void {
    this.before.after = this.after
    this.after.before = this.before
    this.before = this
    this.after = this
  }
}

/** What is in a chain, until it is removed. */
export class Link<T> extends Place {
  readonly value: T

  constructor(value: T) {
    super()
    this.value = value
  }
}

/**
 * Values in the order in which they came; each is taken out by its link. Where objects come and go with each connection it costs a fraction
 * of a Set or a Map, which give each object a number first.
 */
export class Chain<T> {
  readonly #ring = new Place()

  /** The oldest; null: there is none. */
  get first(): Link<T> | null {
    const { after } = this.#ring
    return after instanceof Link ? (after as Link<T>) : null
  }

  add(value: T): Link<T> {
    const link = new Link(value)
    const ring = this.#ring
    link.after = ring
    link.before = ring.before
    ring.before.after = link
    ring.before = link
    return link
  }

  /** All that are in it now, the oldest first. */
  values(): T[] {
    const values: T[] = []
    for (let at = this.#ring.after; at instanceof Link; at = at.after) values.push(at.value as T)
    return values
  }
}
