using System.Reflection;

namespace Dnabert2.Folders;

/// <summary>
/// The model that comes with this library, in an assembly and a package of its own: its files are resources there, so that they are part of
/// a program however it is published. Nothing refers to that assembly; it is found by its name.
/// </summary>
internal static class BuiltInModel
{
    private const string Package = "Dnabert2.BuiltInModel";
    private static readonly Lazy<ModelFiles?> Found = new(Find);

    /// <summary>Its files; null where the package is not part of the program.</summary>
    public static ModelFiles? Files => Found.Value;

    /// <summary>Its files.</summary>
    /// <exception cref="FileNotFoundException">The package is not part of the program.</exception>
    public static ModelFiles Require() => Files ?? throw new FileNotFoundException(
        $"the built-in model is no part of this program: add a reference to the package {Package}, or name the folder of a model");

    private static ModelFiles? Find()
    {
        try
        {
            return ModelFiles.FromResources(Assembly.Load(new AssemblyName(Package)), Package + "/", ModelSource.BuiltIn);
        }
        catch (FileNotFoundException)
        {
            return null;
        }
    }
}
