using Dnabert2.Training;

namespace Dnabert2.Tool.Verbs;

/// <summary>The folders of several runs, let go of together.</summary>
internal sealed class RunFolders : IDisposable
{
    private readonly List<RunFolder> _folders = [];

    public RunFolder this[int index] => _folders[index];

    public void Add(RunFolder folder) => _folders.Add(folder);

    public void Dispose()
    {
        foreach (RunFolder folder in _folders) folder.Dispose();
    }
}
