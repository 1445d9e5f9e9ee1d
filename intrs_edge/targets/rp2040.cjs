// Runs an RP2040 image (a .bin that begins with the boot block at 0x10000000) in rp2040js; UART0 is standard input and output.
// Usage: NODE_PATH=.../node_modules node rp2040.cjs IMAGE.bin
'use strict';
const fs = require('fs');
const { RP2040 } = require('rp2040js');

const FLASH = 0x10000000;
const VECTORS = FLASH + 0x100; // behind the boot block, which the emulator has no boot ROM to run
const image = fs.readFileSync(process.argv[2]);
const mcu = new RP2040();
mcu.flash.set(image, 0);
mcu.core.VTOR = VECTORS;
mcu.core.SP = mcu.readUint32(VECTORS);
mcu.core.PC = mcu.readUint32(VECTORS + 4) & ~1;

// The firmware masks interrupts and sleeps until one is pending; rp2040js would enter its handler, and would sleep with one pending.
const core = mcu.core;
const pending = () => (core.pendingInterrupts & core.enabledInterrupts) !== 0;
const take = core.checkForInterrupts.bind(core);
core.checkForInterrupts = () => (core.waiting && core.PM ? pending() : take());

let output = [];
mcu.uart[0].onByte = (byte) => output.push(byte);
const input = [];
let at = 0;
let asleep = false;
process.stdin.on('data', (chunk) => {
  for (const byte of chunk) input.push(byte);
  if (asleep) setImmediate(run);
  asleep = false;
});
process.stdin.on('end', () => process.exit(0));

function run() {
  for (let i = 0; i < 50000; i++) {
    // the emulated FIFO takes 32 bytes; feed it as a line with back-pressure would
    if (at < input.length && i % 64 === 0 && !mcu.uart[0].rxFIFO.full) mcu.uart[0].feedByte(input[at++]);
    if (core.waiting && pending()) core.waiting = false;
    if (!core.waiting) mcu.step ? mcu.step() : core.executeInstruction();
    else if (at === input.length) break;
  }
  if (at === input.length && at) { input.length = 0; at = 0; }
  if (output.length) { process.stdout.write(Buffer.from(output)); output = []; }
  asleep = core.waiting && !pending() && input.length === 0;
  if (!asleep) setImmediate(run);
}
run();
