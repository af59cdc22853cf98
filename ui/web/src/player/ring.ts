/** A decoded picture that holds memory until it is closed. */
export interface Picture {
  readonly source: CanvasImageSource;
  /** Pixels as coded: browsers may want to stretch their pictures already, servers' never are. */
  readonly width: number;
  readonly height: number;
  readonly size_bytes: number;
  close(): void;
}

/**
 * Decoded pictures by frame, at most `limit_bytes` of them. What lies farthest from the wanted frame goes first,
 * and every picture that goes is closed.
 */
export class Ring {
  #pictures = new Map<number, Picture>();
  #size_bytes = 0;

  constructor(private readonly limit_bytes: number) {}

  get size_bytes(): number {
    return this.#size_bytes;
  }

  get count(): number {
    return this.#pictures.size;
  }

  get(frame: number): Picture | undefined {
    return this.#pictures.get(frame);
  }

  has(frame: number): boolean {
    return this.#pictures.has(frame);
  }

  /** Returns how many pictures of this size fit. */
  capacity(size_bytes: number): number {
    return Math.max(4, Math.floor(this.limit_bytes / Math.max(1, size_bytes)));
  }

  put(frame: number, picture: Picture, wanted: number): void {
    this.#remove(frame);
    this.#pictures.set(frame, picture);
    this.#size_bytes += picture.size_bytes;
    while (this.#size_bytes > this.limit_bytes && this.#pictures.size > 1) {
      let farthest = frame;
      for (const candidate of this.#pictures.keys()) {
        if (Math.abs(candidate - wanted) > Math.abs(farthest - wanted)) farthest = candidate;
      }
      this.#remove(farthest);
    }
  }

  clear(): void {
    for (const frame of [...this.#pictures.keys()]) this.#remove(frame);
  }

  #remove(frame: number): void {
    const picture = this.#pictures.get(frame);
    if (!picture) return;
    this.#pictures.delete(frame);
    this.#size_bytes -= picture.size_bytes;
    picture.close();
  }
}
