using InPrograms;

using var interrupted = new CancellationTokenSource();
Console.CancelKeyPress += (_, pressed) =>
{
    pressed.Cancel = true;
    interrupted.Cancel();
};
switch (args)
{
    case ["embed", string fasta]:
        await Embedding.RunAsync(fasta, Console.Out, interrupted.Token);
        return 0;
    case ["services"]:
        await Services.RunAsync(Console.Out, interrupted.Token);
        return 0;
    case ["search", string genome, string query]:
        SimilaritySearch.Run(genome, query, Console.Out, interrupted.Token);
        return 0;
    case ["finetune", string task, string folder]:
        FineTuning.Run(task, folder, Console.Out, interrupted.Token);
        return 0;
    default:
        Console.Error.WriteLine("embed FASTA | services | search GENOME BASES | finetune TASK NEW_FOLDER");
        return 2;
}
