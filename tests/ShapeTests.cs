using Engine.Runtime;

namespace Tests;

public class ShapeTests
{
    [Fact]
    public void A_shape_prints_its_extents() => Assert.Equal("[3, 4]", new Shape(3, 4).ToString());
}
