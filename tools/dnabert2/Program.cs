using Dnabert2.Tool;

using var interruption = new Interruption();
return CommandLineTool.Run(args, Terminal.OfProcess(interruption.Token));
