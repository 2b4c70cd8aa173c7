namespace Dnabert2.Tool;

/// <summary>What was asked for makes no sense; the message says what does.</summary>
internal sealed class UsageException(string message) : Exception(message);
