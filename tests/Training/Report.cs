namespace Tests.Training;

/// <summary>Calls an action on the reporting thread.</summary>
internal sealed class Report<T>(Action<T> action) : IProgress<T>
{
    void IProgress<T>.Report(T value) => action(value);
}
