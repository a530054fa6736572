export { type ApiRequest, askControl } from './command/api-client.ts';
export { type Control, type ControlOptions, createControl } from './control.ts';
export { ControlError, type ControlErrorCode } from './control-error.ts';
