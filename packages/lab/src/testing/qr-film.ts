import { writeFile } from 'node:fs/promises';
import { encodeQR } from 'qr';

const SIDE = 720;
const BORDER = 60;

/** A film (YUV4MPEG2, one frame) of a QR code, such as a camera would see: what Chromium's fake camera shows. */
export async function writeQrFilm(path: string, text: string): Promise<void> {
  const modules = encodeQR(text, 'raw', { ecc: 'low', border: 2 });
  const scale = Math.floor((SIDE - 2 * BORDER) / modules.length);
  const luma = Buffer.alloc(SIDE * SIDE, 200);
  for (const [y, row] of modules.entries()) {
    for (const [x, isDark] of row.entries()) {
      for (let line = 0; line < scale; line++) {
        const start = (BORDER + y * scale + line) * SIDE + BORDER + x * scale;
        luma.fill(isDark ? 30 : 235, start, start + scale);
      }
    }
  }
  const chroma = Buffer.alloc((SIDE * SIDE) / 2, 128);
  await writeFile(
    path,
    Buffer.concat([Buffer.from(`YUV4MPEG2 W${SIDE} H${SIDE} F10:1 Ip A1:1 C420\nFRAME\n`), luma, chroma]),
  );
}
