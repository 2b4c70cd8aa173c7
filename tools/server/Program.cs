using Dnabert2.Server;

return await CommandLine.RunAsync(args);
