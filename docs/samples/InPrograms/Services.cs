using Dnabert2.Extensions.AI;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;

namespace InPrograms;

/// <summary>A generator of embeddings among the services of a program, with a cache, telemetry and logging around it.</summary>
public static class Services
{
    public static async Task RunAsync(TextWriter output, CancellationToken cancellation)
    {
        var services = new ServiceCollection();
        services.AddLogging();
        services.AddDistributedMemoryCache();
        services.AddDnabert2();                             // the model that comes with the library; or AddDnabert2("FOLDER")
        services.AddEmbeddingGenerator(provider => provider.GetRequiredService<DnaEmbeddingGenerator>())
            .UseDistributedCache()
            .UseOpenTelemetry(sourceName: "my.program")
            .UseLogging();
        await using ServiceProvider provider = services.BuildServiceProvider();

        var generator = provider.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>();
        GeneratedEmbeddings<Embedding<float>> made = await generator.GenerateAsync(
            ["ACGTTGCATTGACCA", "GGGATTTACCCATTG"], cancellationToken: cancellation);
        await output.WriteLineAsync($"{made.Count} vectors of {made[0].Dimensions} numbers, {made.Usage?.InputTokenCount} tokens");
        Embedding<float> again = await generator.GenerateAsync("ACGTTGCATTGACCA", cancellationToken: cancellation);
        await output.WriteLineAsync($"from the cache the same: {again.Vector.Span.SequenceEqual(made[0].Vector.Span)}");
    }
}
