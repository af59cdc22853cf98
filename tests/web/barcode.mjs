// Reads the frame number that tests/fixtures/corpus.py paints into every picture (see barcode.py there).

/** Returns { shown, painted }: the number that the canvas says it shows, and the one in its pixels, read at one moment. */
export function readCanvas(canvas) {
  return canvas.evaluate((element) => {
    const { width, height } = element;
    const { data } = element.getContext('2d').getImageData(0, 0, width, height);
    const opaque = (x, y) => data[(y * width + x) * 4 + 3] === 255;
    const gray = (x, y) => (data[(y * width + x) * 4] + data[(y * width + x) * 4 + 1] + data[(y * width + x) * 4 + 2]) / 3;
    // The picture is what is opaque; around it the canvas is clear.
    const [middleX, middleY] = [Math.floor(width / 2), Math.floor(height / 2)];
    let [left, right, top, bottom] = [middleX, middleX, middleY, middleY];
    while (left > 0 && opaque(left - 1, middleY)) left--;
    while (right < width - 1 && opaque(right + 1, middleY)) right++;
    while (top > 0 && opaque(middleX, top - 1)) top--;
    while (bottom < height - 1 && opaque(middleX, bottom + 1)) bottom++;
    const [pictureWidth, pictureHeight] = [right - left + 1, bottom - top + 1];
    const row = top + Math.floor(pictureHeight / 16);
    const levels = Array.from({ length: 16 }, (_, block) => gray(left + Math.floor(((block + 0.5) * pictureWidth) / 16), row));
    const middle = (levels[0] + levels[1]) / 2;
    const bits = levels.slice(2).map((level) => Number(level > middle));
    const number = bits.slice(0, 12).reduce((sum, bit) => sum * 2 + bit, 0);
    const sound = levels[0] - levels[1] > 60 && bits[12] * 2 + bits[13] === number % 3;
    return { shown: Number(element.dataset.frame), painted: sound ? number : null, picture: { left, top, width: pictureWidth, height: pictureHeight } };
  });
}
