using Dnabert2.Embeddings;
using Dnabert2.Folders;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Dnabert2.Extensions.AI;

/// <summary>DNABERT-2 among the services of a program.</summary>
public static class Dnabert2Services
{
    /// <summary>
    /// Adds a model, loaded when it is first asked for, its <see cref="DnaEmbeddingGenerator"/>, and that as
    /// <see cref="IEmbeddingGenerator{TInput, TEmbedding}"/>; one of each, disposed with the services.
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="model">The folder of the model, or <see cref="ModelSource.BuiltIn"/>.</param>
    /// <param name="options">How sequences become vectors.</param>
    /// <returns>The services.</returns>
    /// <example>
    /// <code>
    /// services.AddDnabert2();
    /// // With the package Microsoft.Extensions.AI also:
    /// services.AddEmbeddingGenerator(provider => provider.GetRequiredService&lt;DnaEmbeddingGenerator>()).UseDistributedCache();
    /// </code>
    /// </example>
    public static IServiceCollection AddDnabert2(
        this IServiceCollection services, string model = ModelSource.BuiltIn, EmbedOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(model);
        return services.AddDnabert2(_ => SequenceModel.Load(model, parts: ModelParts.Encoder), options, model);
    }

    /// <summary>The same with a model that is loaded as the program likes.</summary>
    /// <param name="services">The services.</param>
    /// <param name="load">Loads the model, which is disposed with the services.</param>
    /// <param name="options">How sequences become vectors.</param>
    /// <param name="modelId">What the model is called.</param>
    /// <returns>The services.</returns>
    public static IServiceCollection AddDnabert2(
        this IServiceCollection services, Func<IServiceProvider, SequenceModel> load, EmbedOptions? options = null, string? modelId = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(load);
        services.AddSingleton(load);
        services.AddSingleton(provider => new DnaEmbeddingGenerator(
            provider.GetRequiredService<SequenceModel>(), options, modelId, provider.GetService<ILogger<DnaEmbeddingGenerator>>()));
        return services.AddSingleton<IEmbeddingGenerator<string, Embedding<float>>>(
            provider => provider.GetRequiredService<DnaEmbeddingGenerator>());
    }
}
