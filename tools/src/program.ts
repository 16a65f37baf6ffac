import { Problem } from '../launch/index.mjs';

/** Runs a program of `./vane` and ends it with its exit code: what is expected as a sentence, 2 for wrong use, anything else with its stack. */
export async function runProgram(main: (args: string[]) => Promise<number>): Promise<void> {
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    const misuse = (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
    if (!(error instanceof Error)) throw error;
    process.stderr.write(`${error instanceof Problem || misuse ? error.message : error.stack}\n`);
    process.exitCode = error instanceof Problem ? error.exitCode : misuse ? 2 : 1;
  }
}
