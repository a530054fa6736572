export { chiSquareTail, testUniformity, type UniformityReport } from './chi-square.ts';
