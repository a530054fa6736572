/** No entry file is larger; what is, is somebody's film. */
const MAX_TEXT_BYTES = 60_000;
const MAX_PICTURE_BYTES = 30_000_000;
/** Pictures are looked at in these widths, since a code may be a small part of a large photograph or blurred by its pixels. */
const WIDTHS = [800, 1_600, 400, 2_400] as const;

/** The text of a QR code in what is drawn, or null. */
async function readQr(source: ImageBitmap, width: number): Promise<string | null> {
  const { default: decodeQR } = await import('qr/decode.js');
  const scale = Math.min(1, width / source.width);
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(source.width * scale));
  canvas.height = Math.max(1, Math.round(source.height * scale));
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (context === null) return null;
  // What is transparent was white on somebody's screen.
  context.fillStyle = '#fff';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  try {
    return decodeQR(context.getImageData(0, 0, canvas.width, canvas.height));
  } catch {
    return null;
  }
}

async function readPicture(file: File): Promise<string | null> {
  if (file.size > MAX_PICTURE_BYTES) return null;
  const bitmap = await createImageBitmap(file).catch(() => null);
  if (bitmap === null) return null;
  try {
    for (const width of WIDTHS) {
      const text = await readQr(bitmap, width);
      if (text !== null) return text;
    }
    return null;
  } finally {
    bitmap.close();
  }
}

/** The text of files, and of the QR codes in pictures. Null if there was none in any. */
export async function readFiles(files: Iterable<File>): Promise<string | null> {
  const texts: string[] = [];
  for (const file of files) {
    const isPicture = file.type.startsWith('image/');
    const found = isPicture ? await readPicture(file) : await file.slice(0, MAX_TEXT_BYTES).text();
    if (found !== null && found.trim() !== '') texts.push(found);
  }
  return texts.length === 0 ? null : texts.join('\n');
}
