using Dnabert2.Adapters;

namespace Dnabert2.Folders;

/// <summary>Finds the model that an adapter is an addition to.</summary>
internal static class AdapterBase
{
    /// <summary>The base of an adapter.</summary>
    /// <param name="folder">The adapter.</param>
    /// <param name="config">Its configuration.</param>
    /// <param name="named">The base that the caller names; null: the one that the adapter names.</param>
    /// <exception cref="InvalidDataException">There is no such folder, or it is an adapter itself.</exception>
    public static ModelSource Find(string folder, AdapterConfig config, string? named)
    {
        string path = named ?? Search(folder, config);
        ModelSource found = ModelSource.Open(path);
        if (!found.IsAdapter) return found;
        throw new InvalidDataException(
            $"{path}: the base of the adapter {folder} is an adapter itself; merge it with its own base and "
            + "name the merged model as the base");
    }

    /// <summary>
    /// The folder that the adapter names, or null where there is none: as a path from the adapter or from here, or, of a name on a hub, the
    /// folder of that name; <see cref="ModelSource.BuiltIn"/> is the model that comes with this library.
    /// </summary>
    public static string? TryFind(string folder, AdapterConfig config)
    {
        if (config.BaseName is not { Length: > 0 } name) return null;
        if (name == ModelSource.BuiltIn) return BuiltInModel.Files is null ? null : name;
        string last = name.TrimEnd('/', '\\').Split('/', '\\')[^1];
        string beside = Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder))) ?? folder;
        foreach (string path in (string[])[Path.Combine(folder, name), name, Path.Combine(beside, name), Path.Combine(beside, last), last])
            if (last.Length > 0 && !LoraAdapter.IsIn(path) && HoldsModel(path)) return Path.GetFullPath(path);
        return null;
    }

    private static string Search(string folder, AdapterConfig config) => TryFind(folder, config) ?? throw new InvalidDataException(
        config.BaseName is { Length: > 0 } name
            ? $"{config.Path}: base_model_name_or_path is '{Excerpt.Of(name)}', where there is no model folder; put the base model there, "
            + "correct the path, or name the base"
            : $"{config.Path}: base_model_name_or_path names no base; name one");

    private static bool HoldsModel(string path) =>
        File.Exists(Path.Combine(path, ModelSource.ConfigFile)) || Training.Pretrainer.LastCheckpointOf(path) is not null;
}
