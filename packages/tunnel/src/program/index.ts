export { addressOption, collect, parseCommand } from './command.ts';
export { EXIT_CODE, ProgramError } from './exit-code.ts';
export { createOutput, EVENTS_VERSION, type Output, type OutputOptions } from './output.ts';
export { runProgram, untilAborted } from './run-program.ts';
export { programVersion } from './version.ts';
